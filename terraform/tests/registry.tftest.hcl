mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "a_tag_never_moves_and_every_push_is_scanned" {
  command = plan

  module {
    source = "./modules/registry"
  }

  assert {
    condition     = alltrue([for each in aws_ecr_repository.this : each.image_tag_mutability == "IMMUTABLE" && each.image_scanning_configuration[0].scan_on_push])
    error_message = "A tag can be moved, or a push is not scanned."
  }

  assert {
    condition     = alltrue([for each in aws_ecr_repository.this : each.encryption_configuration[0].kms_key == var.kms_key_arn && !each.force_delete])
    error_message = "Images are not encrypted by the key of the environment, or a destroy would delete them."
  }

  assert {
    condition     = toset(keys(output.urls)) == toset(["server", "serving", "worker"]) && aws_ecr_repository.this["worker"].name == "mlops-test/worker"
    error_message = "Repositories are called otherwise."
  }
}

run "old_images_are_deleted_and_all_of_them_when_that_is_asked" {
  command = plan

  module {
    source = "./modules/registry"
  }

  variables {
    kept_images              = 7
    untagged_days            = 3
    delete_images_on_destroy = true
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this["worker"].policy).rules : rule.selection.countNumber] == [3, 7]
    error_message = "The lifecycle counts otherwise."
  }

  assert {
    condition     = alltrue([for each in aws_ecr_repository.this : each.force_delete])
    error_message = "The images would stay."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/registry"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # Capitals.
    repositories = ["Worker"]
    # A rollback needs two.
    kept_images = 1
    # Less than a day.
    untagged_days = 0
  }

  expect_failures = [var.kept_images, var.kms_key_arn, var.name, var.repositories, var.untagged_days]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/registry"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # No image.
    repositories = []
  }

  expect_failures = [var.name, var.repositories]
}

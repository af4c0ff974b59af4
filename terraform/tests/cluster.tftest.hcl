mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "tasks_are_counted_and_shells_are_encrypted" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  assert {
    condition     = one(aws_ecs_cluster.this.setting).value == "enabled"
    error_message = "Container insights are off."
  }

  assert {
    condition     = aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].kms_key_id == var.kms_key_arn
    error_message = "Shells are not encrypted by the key of the environment."
  }

  assert {
    condition     = aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].log_configuration[0].cloud_watch_log_group_name == "/mlops-test/shells" && aws_cloudwatch_log_group.shells.kms_key_id == var.kms_key_arn
    error_message = "Nobody sees what was done in a shell."
  }

  assert {
    condition     = aws_ecs_cluster_capacity_providers.this.capacity_providers == toset(["FARGATE", "FARGATE_SPOT"])
    error_message = "Spare capacity cannot be used."
  }
}

run "counting_can_be_left_out" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    container_insights = false
  }

  assert {
    condition     = one(aws_ecs_cluster.this.setting).value == "disabled"
    error_message = "Container insights are on."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # CloudWatch knows 90 and 120.
    log_retention_days = 100
  }

  expect_failures = [var.kms_key_arn, var.log_retention_days, var.name]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/cluster"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
  }

  expect_failures = [var.name]
}

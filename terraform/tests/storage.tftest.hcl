mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "every_bucket_is_versioned_private_encrypted_and_kept" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition     = toset(keys(aws_s3_bucket.this)) == toset(["artifacts", "data", "logs"])
    error_message = "Other buckets are made."
  }

  assert {
    condition     = alltrue([for each in aws_s3_bucket_versioning.this : each.versioning_configuration[0].status == "Enabled"])
    error_message = "A bucket keeps no versions."
  }

  assert {
    condition     = alltrue([for each in aws_s3_bucket_public_access_block.this : each.block_public_acls && each.block_public_policy && each.ignore_public_acls && each.restrict_public_buckets])
    error_message = "A bucket may be made public."
  }

  assert {
    condition     = alltrue([for kind in ["artifacts", "data"] : one(one(aws_s3_bucket_server_side_encryption_configuration.this[kind].rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn])
    error_message = "Data is not encrypted by the key of the environment."
  }

  assert {
    condition     = alltrue([for each in aws_s3_bucket_logging.this : each.target_bucket == aws_s3_bucket.this["logs"].id]) && length(aws_s3_bucket_logging.this) == 2
    error_message = "Reads of a bucket are not logged."
  }

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : !bucket.force_destroy])
    error_message = "A destroy would delete data."
  }

  assert {
    condition     = contains([for rule in aws_s3_bucket_lifecycle_configuration.this["logs"].rule : rule.id], "old-logs")
    error_message = "Access logs are kept for ever."
  }
}

run "nothing_goes_without_tls_and_only_aws_itself_writes_access_logs" {
  command = plan

  module {
    source = "./modules/storage"
  }

  assert {
    condition     = alltrue([for each in aws_s3_bucket_policy.this : anytrue([for statement in jsondecode(each.policy).Statement : statement.Effect == "Deny" && try(statement.Condition.Bool["aws:SecureTransport"], "") == "false"])])
    error_message = "A bucket takes requests without TLS."
  }

  assert {
    condition     = alltrue(flatten([for each in aws_s3_bucket_policy.this : [for statement in jsondecode(each.policy).Statement : statement.Effect == "Deny" || can(statement.Condition) && !strcontains(jsonencode(statement.Action), "*")]]))
    error_message = "A bucket's policy allows something without a condition, or by a wildcard."
  }

  assert {
    condition     = length(jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement) == 3 && length(jsondecode(aws_s3_bucket_policy.this["data"].policy).Statement) == 1
    error_message = "The policies have other statements than these."
  }

  assert {
    condition     = jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement[1].Condition.ArnLike["aws:SourceArn"] == ["arn:aws:s3:::mlops-test-artifacts-123456789012", "arn:aws:s3:::mlops-test-data-123456789012"]
    error_message = "Other buckets may write access logs."
  }

  assert {
    condition     = output.flow_statements[1].resources == ["arn:aws:s3:::mlops-test-artifacts-123456789012/bentos/*", "arn:aws:s3:::mlops-test-data-123456789012/*"]
    error_message = "Flows may touch the artifacts of MLflow, or not touch their own."
  }
}

run "buckets_are_emptied_named_and_cooled_as_asked" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    delete_data_on_destroy = true
    suffix                 = "acme"
    infrequent_after_days  = 60
  }

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : bucket.force_destroy])
    error_message = "The data would stay."
  }

  assert {
    condition     = aws_s3_bucket.this["data"].bucket == "mlops-test-data-acme" && output.data_bucket_arn == "arn:aws:s3:::mlops-test-data-acme"
    error_message = "The name is another."
  }

  assert {
    condition     = contains([for rule in aws_s3_bucket_lifecycle_configuration.this["data"].rule : rule.id], "seldom-read") && !contains([for rule in aws_s3_bucket_lifecycle_configuration.this["artifacts"].rule : rule.id], "seldom-read")
    error_message = "Data does not move to the cheaper class, or artifacts do."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # Capitals.
    suffix = "Acme"
    # Less than a day.
    noncurrent_days = 0
    # Less than a day.
    access_log_days = 0
    # Sooner than S3 moves anything.
    infrequent_after_days = 10
  }

  expect_failures = [var.access_log_days, var.infrequent_after_days, var.kms_key_arn, var.name, var.noncurrent_days, var.suffix]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/storage"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # S3 takes no hyphen at the end.
    suffix = "acme-"
  }

  expect_failures = [var.name, var.suffix]
}

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  vpc_id      = "vpc-1"
  subnet_ids  = ["subnet-1", "subnet-2"]
  database    = "prefect"
}

run "it_is_private_encrypted_kept_and_its_password_unknown" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    clients = {
      server = "sg-1"
    }
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null && aws_db_instance.this.password_wo == null
    error_message = "Terraform knows the password."
  }

  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.kms_key_arn && aws_db_instance.this.master_user_secret_kms_key_id == var.kms_key_arn
    error_message = "It is public, or not encrypted by the key of the environment."
  }

  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.deletion_protection && aws_db_instance.this.backup_retention_period == 14 && !aws_db_instance.this.skip_final_snapshot
    error_message = "A zone, a destroy or a mistake loses it."
  }

  assert {
    condition     = anytrue([for each in aws_db_parameter_group.this.parameter : each.name == "rds.force_ssl" && each.value == "1"]) && aws_db_parameter_group.this.family == "postgres17"
    error_message = "It takes connections without TLS."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.client) == 1 && aws_vpc_security_group_ingress_rule.client["server"].from_port == 5432
    error_message = "Others than the named clients may connect."
  }

  assert {
    condition     = output.connection.secret_arn == "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-11111111-AbCdEf" && !can(output.connection.password)
    error_message = "The output names another secret, or the password."
  }

  assert {
    condition     = jsondecode(aws_iam_role.monitoring.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceArn"] == "arn:aws:rds:eu-west-1:123456789012:db:mlops-test-prefect"
    error_message = "The monitoring of another database may take the role."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.monitoring.policy).Statement : startswith(statement.Resource, "arn:aws:logs:eu-west-1:123456789012:log-group:RDSOSMetrics")])
    error_message = "The role may write other logs."
  }
}

run "for_a_trial_it_stands_in_one_zone_and_can_be_destroyed" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    multi_zone          = false
    deletion_protection = false
    final_snapshot      = false
    engine_version      = "16.4"
  }

  assert {
    condition     = !aws_db_instance.this.multi_az && !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.final_snapshot_identifier == null
    error_message = "It cannot be destroyed."
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres16" && length(aws_vpc_security_group_ingress_rule.client) == 0
    error_message = "Its parameters are those of another version, or somebody may connect."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # CloudWatch knows 90 and 120.
    log_retention_days = 100
    # One zone.
    subnet_ids = ["subnet-1"]
    # PostgreSQL keeps this word.
    database = "postgres"
    # Older than Prefect takes.
    engine_version = "13"
    # Not as AWS writes it.
    instance_class = "t4g.small"
    # gp3 begins at 20.
    storage_gib      = 10
    most_storage_gib = 200
    # No backups.
    backup_days = 0
    # Never.
    password_rotation_days = 0
    # Before it began.
    slow_query_ms = -1
  }

  expect_failures = [var.backup_days, var.database, var.engine_version, var.instance_class, var.kms_key_arn, var.log_retention_days, var.name, var.password_rotation_days, var.slow_query_ms, var.storage_gib, var.subnet_ids]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # Capitals.
    database = "Prefect"
    # No room to grow.
    most_storage_gib = 20
    storage_gib      = 20
  }

  expect_failures = [var.database, var.most_storage_gib, var.name]
}

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name           = "mlops-test"
  kms_key_arn    = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  role           = "worker-execution"
  log_group_arns = ["arn:aws:logs:eu-west-1:123456789012:log-group:/mlops-test/worker"]
}

run "it_pulls_the_named_images_reads_the_named_secrets_and_writes_its_log" {
  command = plan

  module {
    source = "./modules/execution-role"
  }

  variables {
    repository_arns = ["arn:aws:ecr:eu-west-1:123456789012:repository/mlops-test/worker"]
    secret_arns     = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"]
  }

  assert {
    condition     = local.pull[1].resources == var.repository_arns && local.secrets[0].resources == var.secret_arns
    error_message = "It may pull or read something else."
  }

  assert {
    condition     = jsonencode(local.secrets[1].conditions) == jsonencode({ StringEquals = { "kms:ViaService" = ["secretsmanager.eu-west-1.amazonaws.com"] } })
    error_message = "It may use the key for other things than secrets."
  }

  assert {
    condition     = join(",", [for each in concat(local.pull, local.secrets, [local.logs]) : each.sid if contains(each.resources, "*")]) == "AskForATokenOfTheRegistry" && length(local.pull[0].conditions) == 1
    error_message = "Another statement than that of the token is about all resources."
  }

  assert {
    condition     = join(",", local.logs.resources) == "arn:aws:logs:eu-west-1:123456789012:log-group:/mlops-test/worker:log-stream:*"
    error_message = "It writes other logs."
  }
}

run "without_images_and_secrets_of_ours_it_may_only_write_its_log" {
  command = plan

  module {
    source = "./modules/execution-role"
  }

  assert {
    condition     = join(",", local.allowed[*].sid) == "WriteTheLogs"
    error_message = "It may do more."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/execution-role"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # Capitals.
    role = "Worker"
  }

  expect_failures = [var.kms_key_arn, var.name, var.role]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/execution-role"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
  }

  expect_failures = [var.name]
}

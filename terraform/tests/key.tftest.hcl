mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name = "mlops-test"
}

run "a_service_uses_the_key_for_this_account_only" {
  command = plan

  module {
    source = "./modules/key"
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_kms_key.this.policy).Statement : can(statement.Principal.AWS) || can(statement.Condition)])
    error_message = "A service may use the key without a condition."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_kms_key.this.policy).Statement : !strcontains(jsonencode(statement.Action), "*")])
    error_message = "An action of the key's policy is a wildcard."
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && output.alias == "alias/mlops-test"
    error_message = "The key does not rotate, or its alias is not that of the environment."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/key"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # AWS waits for 7 days at least.
    deletion_window_days = 3
  }

  expect_failures = [var.deletion_window_days, var.name]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/key"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
  }

  expect_failures = [var.name]
}

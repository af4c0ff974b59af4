mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name = "mlops-test"
}

run "a_service_uses_the_key_for_this_account_only" {
  command = plan
  module { source = "./modules/key" }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      can(statement.Principal.AWS) || can(statement.Condition)
    ])
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

run "a_name_in_capitals_is_refused" {
  command = plan
  module { source = "./modules/key" }

  variables { name = "Mlops" }

  expect_failures = [var.name]
}

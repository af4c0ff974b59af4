mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  role        = "reader"
  description = "Reads."
}

run "only_tasks_of_this_account_take_the_role" {
  command = plan

  module {
    source = "./modules/role"
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal.Service == "ecs-tasks.amazonaws.com"
    error_message = "Others may take the role."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "123456789012" }, ArnLike = { "aws:SourceArn" = "arn:aws:ecs:eu-west-1:123456789012:*" } }
    error_message = "Tasks of another account may take the role."
  }

  assert {
    condition     = length(aws_iam_role_policy.this) == 0 && aws_iam_role.this.name == "mlops-test-reader"
    error_message = "A role without statements has a policy."
  }
}

run "it_may_do_what_is_written_out" {
  command = plan

  module {
    source = "./modules/role"
  }

  variables {
    statements = [
      {
        sid       = "ReadOne"
        actions   = ["s3:GetObject"]
        resources = ["arn:aws:s3:::made/*"]
        conditions = {
          StringEquals = {
            "aws:RequestedRegion" = ["eu-west-1"]
          }
        }
      },
      {
        sid       = "ReadOne"
        actions   = ["s3:GetObject"]
        resources = ["arn:aws:s3:::made/*"]
      },
    ]
  }

  assert {
    condition     = jsonencode(jsondecode(aws_iam_role_policy.this[0].policy).Statement[0]) == jsonencode({ Action = ["s3:GetObject"], Condition = { StringEquals = { "aws:RequestedRegion" = ["eu-west-1"] } }, Effect = "Allow", Resource = ["arn:aws:s3:::made/*"], Sid = "ReadOne" })
    error_message = "The policy says something else."
  }

  assert {
    condition     = !can(jsondecode(aws_iam_role_policy.this[0].policy).Statement[1].Condition)
    error_message = "There is an empty condition."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/role"
  }

  variables {
    # A wildcard in an action.
    statements = [
      {
        sid       = "ReadOne"
        actions   = ["s3:Get*"]
        resources = ["arn:aws:s3:::made/*"]
      },
    ]
    # Capitals.
    role = "Reader"
    # Capitals.
    name = "Mlops"
  }

  expect_failures = [var.name, var.role, var.statements]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/role"
  }

  variables {
    # All resources, and no condition.
    statements = [
      {
        sid       = "ReadOne"
        actions   = ["s3:GetObject"]
        resources = ["*"]
      },
    ]
    # 21 characters, one too many.
    name = "mlops-production-2026"
  }

  expect_failures = [var.name, var.statements]
}

run "and_each_of_these" {
  command = plan

  module {
    source = "./modules/role"
  }

  variables {
    # No resource.
    statements = [
      {
        sid       = "ReadOne"
        actions   = ["s3:GetObject"]
        resources = []
      },
    ]
  }

  expect_failures = [var.statements]
}

run "and_these" {
  command = plan

  module {
    source = "./modules/role"
  }

  variables {
    # IAM takes no hyphen here.
    statements = [
      {
        sid       = "read-one"
        actions   = ["s3:GetObject"]
        resources = ["arn:aws:s3:::made/*"]
      },
    ]
  }

  expect_failures = [var.statements]
}

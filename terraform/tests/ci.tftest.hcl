mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name       = "mlops-test"
  repository = "acme/mlops"
  roles = {
    plan = {
      subjects    = ["pull_request"]
      policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    }
    images = {
      subjects = ["ref:refs/heads/main"]
      statements = [
        {
          sid       = "ReadOne"
          actions   = ["s3:GetObject"]
          resources = ["arn:aws:s3:::made/*"]
        },
      ]
    }
  }
}

run "named_runs_of_the_repository_take_a_role_and_nobody_else" {
  command = plan

  module {
    source = "./modules/ci"
  }

  assert {
    condition     = jsonencode(jsondecode(aws_iam_role.this["plan"].assume_role_policy).Statement[0].Condition) == jsonencode({ StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com", "token.actions.githubusercontent.com:sub" = ["repo:acme/mlops:pull_request"] } })
    error_message = "Others may take the role."
  }

  assert {
    condition     = length(aws_iam_role_policy.this) == 1 && length(aws_iam_role_policy_attachment.this) == 1 && length(aws_iam_openid_connect_provider.this) == 1
    error_message = "A role may do something else."
  }

  assert {
    condition     = jsonencode(jsondecode(aws_iam_role_policy.this["images"].policy).Statement[0].Action) == jsonencode(["s3:GetObject"])
    error_message = "The policy says something else."
  }
}

run "an_account_that_has_the_provider_keeps_it" {
  command = plan

  module {
    source = "./modules/ci"
  }

  variables {
    make_provider = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0 && jsondecode(aws_iam_role.this["plan"].assume_role_policy).Statement[0].Principal.Federated == "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    error_message = "A second provider is made, or another one trusted."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/ci"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # All repositories of an owner.
    repository = "acme/*"
    # Any run of the repository.
    roles = {
      images = {
        subjects = ["*"]
      }
    }
  }

  expect_failures = [var.name, var.repository, var.roles]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/ci"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # A wildcard in an action.
    roles = {
      images = {
        subjects = ["ref:refs/heads/main"]
        statements = [
          {
            sid       = "ReadOne"
            actions   = ["ecr:*"]
            resources = ["arn:aws:s3:::made/*"]
          },
        ]
      }
    }
  }

  expect_failures = [var.name, var.roles]
}

run "and_each_of_these" {
  command = plan

  module {
    source = "./modules/ci"
  }

  variables {
    # All resources, and no condition.
    roles = {
      images = {
        subjects = ["ref:refs/heads/main"]
        statements = [
          {
            sid       = "ReadOne"
            actions   = ["s3:GetObject"]
            resources = ["*"]
          },
        ]
      }
    }
  }

  expect_failures = [var.roles]
}

run "and_these" {
  command = plan

  module {
    source = "./modules/ci"
  }

  variables {
    # A pull request that may write.
    roles = {
      images = {
        subjects    = ["pull_request"]
        policy_arns = ["arn:aws:iam::aws:policy/AdministratorAccess"]
      }
    }
  }

  expect_failures = [var.roles]
}

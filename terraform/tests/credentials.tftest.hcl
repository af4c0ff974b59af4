# Mocks know no ephemeral resources: so this is the real provider, without an account, which plans and asks nobody.
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "nobody"
  secret_key                  = "nothing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  generate    = false
  secrets = {
    prefect-auth = {
      description = "What clients of Prefect show."
      prefix      = "admin:"
    }
  }
}

run "a_secret_is_made_encrypted_and_without_a_value" {
  command = plan

  module {
    source = "./modules/credentials"
  }

  assert {
    condition     = aws_secretsmanager_secret.this["prefect-auth"].name == "mlops-test/prefect-auth" && aws_secretsmanager_secret.this["prefect-auth"].kms_key_id == var.kms_key_arn
    error_message = "It is called otherwise, or not encrypted by the key of the environment."
  }

  assert {
    condition     = length(aws_secretsmanager_secret_version.this) == 0 && aws_secretsmanager_secret.this["prefect-auth"].recovery_window_in_days == 30
    error_message = "It has a value, or cannot be brought back."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/credentials"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # No secret.
    secrets = {}
    # Generations begin at 1.
    generation = 0
    # Secrets Manager knows 0 and 7 to 30.
    recovery_days = 3
  }

  expect_failures = [var.generation, var.kms_key_arn, var.name, var.recovery_days, var.secrets]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/credentials"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # Capitals.
    secrets = {
      Token = {
        description = "x"
      }
    }
  }

  expect_failures = [var.name, var.secrets]
}

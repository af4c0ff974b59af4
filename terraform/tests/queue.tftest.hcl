mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  queue       = "landed"
  rule_arns   = ["arn:aws:events:eu-west-1:123456789012:rule/landed"]
}

run "only_our_rules_send_over_tls_and_nothing_is_lost" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    attempts = 3
  }

  assert {
    condition     = jsonencode(jsondecode(aws_sqs_queue_policy.this.policy).Statement[0].Condition) == jsonencode({ ArnEquals = { "aws:SourceArn" = var.rule_arns } }) && jsondecode(aws_sqs_queue_policy.this.policy).Statement[0].Action == "sqs:SendMessage"
    error_message = "Others may send."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_policy.this.policy).Statement[1].Effect == "Deny"
    error_message = "It is reached without TLS."
  }

  assert {
    condition     = aws_sqs_queue.this.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead.kms_master_key_id == var.kms_key_arn
    error_message = "A queue is not encrypted by the key of the environment."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 3 && aws_sqs_queue.dead.message_retention_seconds == 1209600
    error_message = "What nobody can handle does not wait two weeks in a queue of its own."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # Capitals.
    queue = "Landed"
    # A day; twelve hours are the most.
    visibility_seconds = 86400
    # A month; two weeks are the most.
    retention_days = 30
    # Never received.
    attempts = 0
  }

  expect_failures = [var.attempts, var.kms_key_arn, var.name, var.queue, var.retention_days, var.visibility_seconds]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
  }

  expect_failures = [var.name]
}

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name         = "mlops-test"
  kms_key_arn  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  cluster_name = "mlops-test"
}

run "everything_that_is_named_is_watched" {
  command = plan

  module {
    source = "./modules/alarms"
  }

  variables {
    emails = ["team@example.org"]
    services = {
      worker = "mlops-test-worker"
    }
    queues = {
      flights = "mlops-test-landed-flights"
    }
    dead_queues = {
      flights = "mlops-test-landed-flights-dead"
    }
    balancers = {
      serving = "app/made/50dc6c495c0c9188"
    }
    databases = {
      prefect = "mlops-test-prefect"
    }
    budget_usd     = 500
    latency_p99_ms = 250
  }

  assert {
    condition     = join(",", output.alarm_names) == "mlops-test-flights-dead,mlops-test-flights-waiting,mlops-test-prefect-storage,mlops-test-serving-5xx,mlops-test-serving-p99,mlops-test-worker-down"
    error_message = "Other alarms are made."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.down["worker"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.slow["serving"].threshold == 0.25 && aws_cloudwatch_metric_alarm.storage["prefect"].threshold == 4294967296
    error_message = "A worker that says nothing is well, or a bound is in another unit."
  }

  assert {
    condition     = alltrue([for each in aws_cloudwatch_metric_alarm.errors : length(each.alarm_actions) == 1]) && length(aws_budgets_budget.this) == 1 && aws_budgets_budget.this[0].limit_amount == "500"
    error_message = "Nobody is told."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_sns_topic_policy.this.policy).Statement : statement.Effect == "Deny" || jsonencode(statement.Condition) == jsonencode({ StringEquals = { "aws:SourceAccount" = "123456789012" } })])
    error_message = "Others may publish."
  }

  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == var.kms_key_arn && length(aws_sns_topic_subscription.email) == 1
    error_message = "The topic is not encrypted, or tells nobody."
  }
}

run "nothing_is_watched_that_is_not_named" {
  command = plan

  module {
    source = "./modules/alarms"
  }

  assert {
    condition     = length(output.alarm_names) == 0 && length(aws_budgets_budget.this) == 0
    error_message = "There is an alarm."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/alarms"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # No address.
    emails = ["team"]
    # CloudWatch looks once a minute.
    oldest_message_seconds = 10
    # All of them.
    most_5xx_percent = 100
    # No time at all.
    latency_p99_ms = 0
    # None.
    least_storage_gib = 0
    # Nothing.
    budget_usd = 0
  }

  expect_failures = [var.budget_usd, var.emails, var.kms_key_arn, var.latency_p99_ms, var.least_storage_gib, var.most_5xx_percent, var.name, var.oldest_message_seconds]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/alarms"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
  }

  expect_failures = [var.name]
}

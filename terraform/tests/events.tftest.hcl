mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  bucket      = "mlops-test-data-123456789012"
  landings = {
    flights = "landing/flights/"
  }
}

run "what_lands_below_a_prefix_is_announced_on_a_queue_of_its_own" {
  command = plan

  module {
    source = "./modules/events"
  }

  variables {
    landings = {
      flights = "landing/flights/"
      labels  = "landing/labels/"
    }
  }

  assert {
    condition     = jsonencode(jsondecode(aws_cloudwatch_event_rule.landed["flights"].event_pattern).detail) == jsonencode({ bucket = { name = [var.bucket] }, object = { key = [{ prefix = "landing/flights/" }] } })
    error_message = "Other objects are announced."
  }

  assert {
    condition     = aws_s3_bucket_notification.this.eventbridge && length(output.queue_urls) == 2 && output.queue_names["labels"] == "mlops-test-landed-labels"
    error_message = "A landing has no queue."
  }

  assert {
    condition     = alltrue([for each in output.reader_statements : !strcontains(jsonencode(each.actions), "*") && !contains(each.resources, "*")])
    error_message = "A reader may read other queues."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/events"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # No landing.
    landings = {}
  }

  expect_failures = [var.kms_key_arn, var.landings, var.name]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/events"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # No slash at the end.
    landings = {
      flights = "landing/flights"
    }
  }

  expect_failures = [var.landings, var.name]
}

run "and_each_of_these" {
  command = plan

  module {
    source = "./modules/events"
  }

  variables {
    # One lies in the other.
    landings = {
      flights = "landing/flights/"
      all     = "landing/"
    }
  }

  expect_failures = [var.landings]
}

run "and_these" {
  command = plan

  module {
    source = "./modules/events"
  }

  variables {
    # Capitals.
    landings = {
      Flights = "landing/"
    }
  }

  expect_failures = [var.landings]
}

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name            = "mlops-test"
  balancer        = "serving"
  vpc_id          = "vpc-1"
  subnet_ids      = ["subnet-1", "subnet-2"]
  logs_bucket     = "mlops-test-logs-123456789012"
  certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
}

run "it_is_internal_logged_and_takes_tls_from_named_clients_alone" {
  command = plan

  module {
    source = "./modules/balancer"
  }

  variables {
    clients = {
      flows = "sg-1"
    }
    client_cidrs = ["10.20.0.0/16"]
  }

  assert {
    condition     = aws_lb.this.internal && aws_lb.this.drop_invalid_header_fields && aws_lb.this.enable_deletion_protection && aws_lb.this.access_logs[0].enabled
    error_message = "It is public, unlogged, or easily destroyed."
  }

  assert {
    condition     = aws_lb_listener.this.port == 443 && aws_lb_listener.this.protocol == "HTTPS" && startswith(aws_lb_listener.this.ssl_policy, "ELBSecurityPolicy-TLS13")
    error_message = "It takes old TLS."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.client["flows"].from_port == 443 && aws_vpc_security_group_ingress_rule.address["10.20.0.0/16"].from_port == 443
    error_message = "The clients cannot connect."
  }

  assert {
    condition     = aws_lb_listener.this.default_action[0].fixed_response[0].status_code == "404" && output.scheme == "https"
    error_message = "What no rule takes is answered otherwise."
  }
}

run "plain_http_is_a_choice_and_nobody_connects_unnamed" {
  command = plan

  module {
    source = "./modules/balancer"
  }

  variables {
    certificate_arn     = null
    plain_http          = true
    deletion_protection = false
  }

  assert {
    condition     = aws_lb_listener.this.port == 80 && output.scheme == "http" && length(aws_vpc_security_group_ingress_rule.client) + length(aws_vpc_security_group_ingress_rule.address) == 0
    error_message = "It listens elsewhere, or somebody may connect."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/balancer"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # One zone.
    subnet_ids = ["subnet-1"]
    # Capitals.
    balancer = "Serving"
    # Everybody.
    client_cidrs = ["0.0.0.0/0"]
    # No ARN.
    certificate_arn = "example.org"
    # Longer than AWS waits.
    idle_seconds = 5000
  }

  expect_failures = [var.balancer, var.certificate_arn, var.client_cidrs, var.idle_seconds, var.name, var.subnet_ids]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/balancer"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # No certificate, and plain HTTP was not allowed.
    certificate_arn = null
  }

  expect_failures = [var.certificate_arn, var.name]
}

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "one_gateway_serves_two_zones_and_all_traffic_is_logged" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_subnet.private) == 2 && length(aws_subnet.public) == 2
    error_message = "One gateway and two subnets of each kind are made for two zones."
  }

  assert {
    condition     = length(aws_route.nat) == 2
    error_message = "Every private subnet has a way out."
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "With NAT only S3 has an endpoint, which is free."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "A machine in a public subnet gets a public address by itself."
  }

  assert {
    condition     = alltrue([for resource in jsondecode(aws_iam_role_policy.flow[0].policy).Statement[0].Resource : startswith(resource, "arn:aws:logs:eu-west-1:123456789012:log-group:/mlops-test/network")])
    error_message = "The role of the flow logs may write other log groups."
  }

  assert {
    condition     = jsondecode(aws_iam_role.flow[0].assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "Another account's flow logs may take the role."
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow[0].kms_key_id == var.kms_key_arn
    error_message = "The log is not encrypted by the key of the environment."
  }
}

run "each_of_three_zones_has_its_gateway_where_that_is_asked" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress     = "nat-per-zone"
    zone_count = 3
    cidr       = "10.9.0.0/20"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3
    error_message = "Three zones have three gateways."
  }

  assert {
    condition     = aws_subnet.private["eu-west-1b"].cidr_block == "10.9.2.0/23" && aws_subnet.public["eu-west-1a"].cidr_block == "10.9.14.0/25"
    error_message = "A /20 has eighths of /23, and its last one quarters of /25."
  }
}

run "with_endpoints_alone_nothing_leads_to_the_internet" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress     = "endpoints"
    zone_count = 1
    flow_logs  = false
  }

  assert {
    condition     = length(aws_nat_gateway.this) + length(aws_internet_gateway.this) + length(aws_subnet.public) + length(aws_route.nat) == 0
    error_message = "There is a gateway, a public subnet or a route."
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 10 && length(aws_subnet.private) == 1
    error_message = "Each service of the list has an endpoint, and one zone one subnet."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.endpoints : rule.from_port == 443 && rule.cidr_ipv4 != "0.0.0.0/0"])
    error_message = "Endpoints answer others than the private subnets."
  }

  assert {
    condition     = length(aws_flow_log.this) + length(aws_cloudwatch_log_group.flow) + length(aws_iam_role.flow) == 0
    error_message = "Without flow logs there is a log group or a role."
  }
}

run "given_blocks_that_are_apart_are_taken" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    private_cidrs = ["10.20.0.0/20", "10.20.16.0/20"]
    public_cidrs  = ["10.20.32.0/24", "10.20.33.0/24"]
  }

  assert {
    condition     = aws_subnet.public["eu-west-1b"].cidr_block == "10.20.33.0/24"
    error_message = "Given blocks are not taken."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # CloudWatch knows 90 and 120.
    log_retention_days = 100
    # No block.
    cidr = "10.20.0.0"
    # One too many.
    zone_count = 4
    # Neither NAT nor endpoints.
    egress = "proxy"
  }

  expect_failures = [var.cidr, var.egress, var.kms_key_arn, var.log_retention_days, var.name, var.zone_count]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # Too small for three zones.
    cidr = "10.20.0.0/25"
  }

  expect_failures = [var.cidr, var.name]
}

run "and_each_of_these" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    # The second lies in the first.
    private_cidrs = ["10.20.0.0/20", "10.20.8.0/21"]
    zone_count    = 2
    cidr          = "10.20.0.0/16"
  }

  expect_failures = [var.private_cidrs]
}

run "and_these" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    # A public block lies in a private one.
    private_cidrs = ["10.20.0.0/20", "10.20.16.0/20"]
    public_cidrs  = ["10.20.17.0/24", "10.20.40.0/24"]
    zone_count    = 2
    cidr          = "10.20.0.0/16"
  }

  expect_failures = [var.private_cidrs]
}

run "these_as_well" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    # The second lies outside of the VPC.
    private_cidrs = ["10.20.0.0/20", "10.30.0.0/20"]
    zone_count    = 2
    cidr          = "10.20.0.0/16"
  }

  expect_failures = [var.private_cidrs]
}

run "nor_are_these_taken" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    # One block for two zones.
    private_cidrs = ["10.20.0.0/20"]
    zone_count    = 2
    cidr          = "10.20.0.0/16"
  }

  expect_failures = [var.private_cidrs]
}

run "the_last_of_what_is_refused" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    # One block for two zones.
    public_cidrs = ["10.20.0.0/24"]
    zone_count   = 2
    cidr         = "10.20.0.0/16"
  }

  expect_failures = [var.public_cidrs]
}

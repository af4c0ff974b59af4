mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name   = "mlops-test"
  domain = "mlops.internal"
  vpc_id = "vpc-1"
  records = {
    prefect = {
      dns_name = "internal-made.eu-west-1.elb.amazonaws.com"
      zone_id  = "Z32O12XQLNTSW2"
    }
    "*.serving" = {
      dns_name = "internal-made.eu-west-1.elb.amazonaws.com"
      zone_id  = "Z32O12XQLNTSW2"
    }
  }
}

run "names_are_known_inside_of_the_vpc_alone" {
  command = plan

  module {
    source = "./modules/names"
  }

  assert {
    condition     = one(aws_route53_zone.this.vpc).vpc_id == "vpc-1"
    error_message = "The zone is public."
  }

  assert {
    condition     = aws_route53_record.this["*.serving"].name == "*.serving.mlops.internal" && one(aws_route53_record.this["prefect"].alias).evaluate_target_health
    error_message = "A name leads elsewhere."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/names"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # No domain.
    domain = "internal"
    # Capitals.
    records = {
      Prefect = {
        dns_name = "x"
        zone_id  = "Z"
      }
    }
  }

  expect_failures = [var.domain, var.name, var.records]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/names"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
  }

  expect_failures = [var.name]
}

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name            = "mlops-test"
  kms_key_arn     = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  cluster_arn     = "arn:aws:ecs:eu-west-1:123456789012:cluster/mlops-test"
  vpc_id          = "vpc-1"
  subnet_ids      = ["subnet-1", "subnet-2"]
  image           = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops-test/worker:1.4.0"
  repository_arns = ["arn:aws:ecr:eu-west-1:123456789012:repository/mlops-test/worker"]
  balancer = {
    listener_arn      = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/made/50dc6c495c0c9188/f2f7dc8efc522ab2"
    security_group_id = "sg-lb"
    scheme            = "https"
    arn_suffix        = "app/made/50dc6c495c0c9188"
  }
  domain = "serving.mlops.internal"
  models = {
    flights-late = {
      priority = 1
    }
  }
  bentos      = "mlops-test-artifacts-123456789012"
  predictions = "mlops-test-data-123456789012"
}

run "each_model_has_two_empty_slots_and_one_rule" {
  command = plan

  module {
    source = "./modules/serving"
  }

  assert {
    condition     = join(",", sort(keys(aws_ecs_service.slot))) == "flights-late-a,flights-late-b" && alltrue([for each in aws_ecs_service.slot : each.desired_count == 0 && !each.deployment_circuit_breaker[0].rollback])
    error_message = "Slots are others, or not empty."
  }

  assert {
    condition     = one(one(aws_lb_listener_rule.model["flights-late"].condition).host_header).values == toset(["flights-late.serving.mlops.internal"])
    error_message = "The model is called otherwise."
  }

  assert {
    condition     = alltrue([for each in aws_lb_target_group.slot : length(each.name) <= 32 && each.health_check[0].path == "/readyz"])
    error_message = "A target group's name is too long for AWS, or asks the wrong question."
  }

  assert {
    condition     = output.target.address == "https://{model}.serving.mlops.internal" && output.target.bentos == "s3://mlops-test-artifacts-123456789012/bentos" && output.spool == "s3://mlops-test-data-123456789012/predictions"
    error_message = "The target is described otherwise."
  }

  assert {
    condition     = output.servers.port == 3000 && output.servers.security_group_id == aws_security_group.servers.id
    error_message = "Shadows are reached somewhere else."
  }

  assert {
    condition     = length(aws_appautoscaling_target.slot) == 0 && output.target.token_secret_arn == ""
    error_message = "A slot grows that should not."
  }
}

run "a_release_may_touch_the_slots_and_nothing_beside_them" {
  command = plan

  module {
    source = "./modules/serving"
  }

  assert {
    condition     = jsonencode(output.release_statements[0].resources) == jsonencode(["arn:aws:ecs:eu-west-1:123456789012:service/mlops-test/flights-late-a", "arn:aws:ecs:eu-west-1:123456789012:service/mlops-test/flights-late-b"])
    error_message = "It may change other services."
  }

  assert {
    condition     = alltrue([for each in output.release_statements : !strcontains(jsonencode(each.actions), "*") && (!contains(each.resources, "*") || length(each.conditions) > 0)])
    error_message = "A statement is a wildcard without a condition."
  }

  assert {
    condition     = join(",", [for each in output.release_statements : each.sid if contains(each.resources, "*")]) == "ListTasksOfTheCluster,RegisterVersions,LookAtTheLoadBalancer"
    error_message = "Another statement is about all resources."
  }

  assert {
    condition     = one([for each in output.release_statements : length(each.resources) if contains(each.actions, "iam:PassRole")]) == 2
    error_message = "It may hand on other roles."
  }
}

run "a_slot_grows_by_requests_and_a_token_is_asked_for_where_that_is_said" {
  command = plan

  module {
    source = "./modules/serving"
  }

  variables {
    models = {
      flights-late = {
        priority            = 1
        most_tasks          = 4
        requests_per_minute = 600
      }
      model-of-24-characters-x = {
        priority = 2
      }
    }
    token = {
      secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"
    }
  }

  assert {
    condition     = length(aws_appautoscaling_policy.slot) == 2 && alltrue([for each in aws_appautoscaling_target.slot : each.min_capacity == 0 && each.max_capacity == 4]) && alltrue([for each in aws_appautoscaling_policy.slot : one(each.target_tracking_scaling_policy_configuration).disable_scale_in])
    error_message = "A slot is scaled otherwise: an empty one must stay empty, and nobody who serves is scaled away."
  }

  assert {
    condition     = alltrue([for each in aws_lb_target_group.slot : length(each.name) <= 32]) && output.target.token_secret_arn == var.token.secret_arn && length(output.target.rules) == 2
    error_message = "The longest name does not fit, or the token is lost."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/serving"
  }

  variables {
    # Capitals.
    name = "Mlops"
    # An alias is no key.
    kms_key_arn = "alias/mlops"
    # CloudWatch knows 90 and 120.
    log_retention_days = 100
    # A name is no ARN.
    cluster_arn = "mlops-test"
    # No subnet.
    subnet_ids = []
    # Fargate has no such size.
    cpu    = 300
    memory = 1024
    # Nobody knows what `latest` is.
    image = "mlops/worker:latest"
    # Capitals.
    domain = "Serving.internal"
    # No model's name.
    models = {
      Flights = {
        priority = 1
      }
    }
    tasks = 1
    # No ARN.
    token = {
      secret_arn = "s3cr3t"
    }
  }

  expect_failures = [var.cluster_arn, var.cpu, var.domain, var.image, var.kms_key_arn, var.log_retention_days, var.models, var.name, var.subnet_ids, var.token]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/serving"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # Fargate gives 512 units 4 GiB at most.
    memory = 8192
    cpu    = 512
    # No tag.
    image = "mlops/worker"
    # Two rules of one place.
    models = {
      one = {
        priority = 1
      }
      two = {
        priority = 1
      }
    }
    tasks = 1
  }

  expect_failures = [var.image, var.memory, var.models, var.name]
}

run "and_each_of_these" {
  command = plan

  module {
    source = "./modules/serving"
  }

  variables {
    # Fewer than it begins with.
    models = {
      one = {
        priority   = 1
        most_tasks = 1
      }
    }
    tasks = 2
  }

  expect_failures = [var.models]
}

run "and_these" {
  command = plan

  module {
    source = "./modules/serving"
  }

  variables {
    # None.
    tasks  = 0
    models = {}
  }

  expect_failures = [var.tasks]
}

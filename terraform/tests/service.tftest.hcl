mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mlops-test"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  cluster_arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/mlops-test"
  vpc_id      = "vpc-1"
  subnet_ids  = ["subnet-1", "subnet-2"]
  service     = "worker"
  image       = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops-test/worker:1.4.0"
  command     = ["true"]
}

run "by_itself_it_reaches_https_and_nobody_reaches_it" {
  command = plan

  module {
    source = "./modules/service"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.https.from_port == 443 && length(aws_vpc_security_group_egress_rule.destination) + length(aws_vpc_security_group_ingress_rule.destination) + length(aws_vpc_security_group_ingress_rule.balancer) == 0
    error_message = "A port is open."
  }

  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip && !aws_ecs_service.this.enable_execute_command
    error_message = "A task has a public address, or a shell can be opened in it."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem && !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck)
    error_message = "The container may write to its own files, or has a health check that nobody asked for."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.this.name == "/mlops-test/worker"
    error_message = "The log is called otherwise, or not encrypted."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].rollback && length(aws_ecs_service.this.load_balancer) == 0
    error_message = "A broken image is not taken back."
  }
}

run "what_it_is_given_arrives_in_the_container" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    environment = {
      B = "2"
      A = "1"
    }
    secrets = {
      PREFECT_API_AUTH_STRING = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"
      PGPASSWORD              = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf:password::"
    }
    health_command  = ["CMD", "true"]
    architecture    = "ARM64"
    repository_arns = ["arn:aws:ecr:eu-west-1:123456789012:repository/mlops-test/worker"]
    shell           = true
  }

  assert {
    condition     = jsonencode(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment) == jsonencode([{ name = "A", value = "1" }, { name = "B", value = "2" }])
    error_message = "Other variables arrive."
  }

  assert {
    condition     = join(",", distinct(local.secret_arns)) == "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf" && length(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets) == 2
    error_message = "A permission is about a value and not about its secret."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.retries == 3 && aws_ecs_task_definition.this.runtime_platform[0].cpu_architecture == "ARM64" && aws_ecs_service.this.enable_execute_command
    error_message = "Health check, processor or shell are not what was asked for."
  }
}

run "behind_a_load_balancer_both_ends_are_opened_for_each_other_alone" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    port = 4200
    balancer = {
      security_group_id = "sg-lb"
      target_group_arn  = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/made/73e2d6bc24d8a067"
    }
    destinations = {
      database = {
        port              = 5432
        security_group_id = "sg-db"
      }
    }
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.balancer[0].referenced_security_group_id == "sg-lb" && aws_vpc_security_group_ingress_rule.balancer[0].from_port == 4200 && aws_vpc_security_group_egress_rule.balancer[0].security_group_id == "sg-lb"
    error_message = "The load balancer does not reach the tasks."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.destination["database"].from_port == 5432 && aws_vpc_security_group_ingress_rule.destination["database"].security_group_id == "sg-db"
    error_message = "The tasks do not reach the database."
  }

  assert {
    condition     = aws_ecs_service.this.health_check_grace_period_seconds == 180 && one(aws_ecs_service.this.load_balancer).container_port == 4200
    error_message = "The service is not registered."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/service"
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
    service = "Worker"
    # A secret among what everybody reads.
    environment = {
      DB_PASSWORD = "x"
    }
    # The content of a secret.
    secrets = {
      TOKEN = "s3cr3t"
    }
    # Half a task.
    tasks = 0.5
    # No port.
    port = 0
    # Neither of both.
    architecture = "arm"
  }

  expect_failures = [var.architecture, var.cluster_arn, var.cpu, var.environment, var.image, var.kms_key_arn, var.log_retention_days, var.name, var.port, var.secrets, var.service, var.subnet_ids, var.tasks]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # Fargate gives 512 units 4 GiB at most.
    memory = 8192
    cpu    = 512
    # No tag.
    image = "mlops/worker"
    # A load balancer before no port.
    balancer = {
      security_group_id = "sg-lb"
      target_group_arn  = "arn"
    }
    port = null
  }

  expect_failures = [var.balancer, var.image, var.memory, var.name]
}

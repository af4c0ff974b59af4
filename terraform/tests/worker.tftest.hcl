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
  prefect_api_url = "https://prefect.mlops.internal/api"
  auth = {
    secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"
  }
}

run "it_starts_flows_of_its_own_cluster_and_family_and_hands_them_two_roles" {
  command = plan

  module {
    source = "./modules/worker"
  }

  assert {
    condition     = join(",", local.statements[0].resources) == "arn:aws:ecs:eu-west-1:123456789012:task-definition/mlops-test-flow:*" && jsonencode(local.statements[0].conditions) == jsonencode({ ArnEquals = { "ecs:cluster" = [var.cluster_arn] } })
    error_message = "It may run other tasks, or elsewhere."
  }

  assert {
    condition     = one([for each in local.statements : length(each.resources) if contains(each.actions, "iam:PassRole")]) == 2 && alltrue([for each in local.statements : each.conditions.StringEquals["iam:PassedToService"][0] == "ecs-tasks.amazonaws.com" if contains(each.actions, "iam:PassRole")])
    error_message = "It may hand on other roles, or to others."
  }

  assert {
    condition     = join(",", [for each in local.statements : each.sid if contains(each.resources, "*")]) == "RegisterTaskDefinitions,LookAtNetworks"
    error_message = "Another statement is about all resources."
  }

  assert {
    condition     = jsonencode(jsondecode(aws_cloudwatch_event_rule.ends.event_pattern)) == jsonencode({ detail = { clusterArn = [var.cluster_arn] }, "detail-type" = ["ECS Task State Change"], source = ["aws.ecs"] })
    error_message = "It hears of other clusters, or of other things."
  }

  assert {
    condition     = output.ends_queue.name == "mlops-test-flow-ends"
    error_message = "The observer reads another queue."
  }
}

run "the_base_job_template_is_that_of_prefect_with_our_defaults" {
  command = plan

  module {
    source = "./modules/worker"
  }

  variables {
    flow = {
      cpu    = 2048
      memory = 8192
      spot   = true
      environment = {
        AWS_DEFAULT_REGION = "eu-west-1"
      }
      secrets = {
        MLOPS_PERSONAL_KEY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"
      }
    }
    work_pool = "training"
  }

  assert {
    condition     = output.work_pool.name == "training" && output.work_pool.type == "ecs" && toset(keys(jsondecode(output.work_pool.base_job_template).variables.properties)) == toset(keys(local.shipped.variables.properties))
    error_message = "A variable of the template is lost."
  }

  assert {
    condition     = jsonencode([for key in ["cpu", "memory", "launch_type", "family", "image", "cluster"] : jsondecode(output.work_pool.base_job_template).variables.properties[key].default]) == jsonencode([2048, 8192, "FARGATE_SPOT", "mlops-test-flow", var.image, var.cluster_arn])
    error_message = "A default is another."
  }

  assert {
    condition     = jsonencode(jsondecode(output.work_pool.base_job_template).variables.properties.network_configuration.default.subnets) == jsonencode(var.subnet_ids) && jsondecode(output.work_pool.base_job_template).variables.properties.prefect_api_auth_string_secret_arn.default == var.auth.secret_arn
    error_message = "Flows run elsewhere, or cannot log in."
  }

  assert {
    condition     = jsonencode(jsondecode(output.work_pool.base_job_template).job_configuration.task_definition.containerDefinitions[0].secrets) == jsonencode([{ name = "MLOPS_PERSONAL_KEY", valueFrom = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf" }])
    error_message = "A flow does not get its secret."
  }

  assert {
    condition     = jsondecode(output.work_pool.base_job_template).job_configuration.task_definition.containerDefinitions[0].image == "{{ image }}" && jsondecode(output.work_pool.base_job_template).job_configuration.task_definition.networkMode == "awsvpc"
    error_message = "A deployment cannot choose its image."
  }
}

run "flows_and_worker_reach_what_is_named" {
  command = plan

  module {
    source = "./modules/worker"
  }

  variables {
    destinations = {
      server = {
        port              = 443
        security_group_id = "sg-lb"
      }
    }
    auth = null
    api_key = {
      secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"
    }
    most_runs = 5
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.destination["server"].from_port == 443 && aws_vpc_security_group_ingress_rule.destination["server"].security_group_id == "sg-lb"
    error_message = "A flow does not reach the server."
  }

  assert {
    condition     = join(",", keys(local.api_secrets)) == "PREFECT_API_KEY" && jsondecode(output.work_pool.base_job_template).variables.properties.prefect_api_key_secret_arn.default == var.api_key.secret_arn
    error_message = "It does not log in to Prefect Cloud."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/worker"
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
    # Nobody knows what `latest` is.
    image = "mlops/worker:latest"
    # Prefect keeps this name.
    work_pool = "prefect-pool"
    # No API.
    prefect_api_url = "https://prefect.mlops.internal"
    # No ARN.
    auth = {
      secret_arn = "admin:admin"
    }
    # A worker needs no four cores.
    cpu = 4096
    # Too little for Python.
    memory = 256
    # Fewer than none.
    most_runs = -1
    # Fargate has no such size.
    flow = {
      cpu = 300
    }
  }

  expect_failures = [var.auth, var.cluster_arn, var.cpu, var.flow, var.image, var.kms_key_arn, var.log_retention_days, var.memory, var.most_runs, var.name, var.prefect_api_url, var.subnet_ids, var.work_pool]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/worker"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # No tag.
    image = "mlops/worker"
    # Cloud and a server of your own.
    api_key = {
      secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"
    }
    auth = {
      secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"
    }
    # A core has 2 to 8 GiB.
    flow = {
      cpu    = 1024
      memory = 1024
    }
  }

  expect_failures = [var.api_key, var.flow, var.image, var.name]
}

run "and_each_of_these" {
  command = plan

  module {
    source = "./modules/worker"
  }

  variables {
    # Fargate gives 21 GiB or more.
    flow = {
      disk_gib = 10
    }
  }

  expect_failures = [var.flow]
}

run "and_these" {
  command = plan

  module {
    source = "./modules/worker"
  }

  variables {
    # A secret among what everybody reads.
    flow = {
      environment = {
        DB_PASSWORD = "x"
      }
    }
  }

  expect_failures = [var.flow]
}

run "these_as_well" {
  command = plan

  module {
    source = "./modules/worker"
  }

  variables {
    # The content of a secret.
    flow = {
      secrets = {
        TOKEN = "s3cr3t"
      }
    }
  }

  expect_failures = [var.flow]
}

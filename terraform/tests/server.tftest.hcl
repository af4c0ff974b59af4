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
  image       = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops-test/worker:1.4.0"
  balancer = {
    listener_arn      = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/made/50dc6c495c0c9188/f2f7dc8efc522ab2"
    security_group_id = "sg-lb"
  }
  hosts    = ["prefect.mlops.internal"]
  priority = 10
  database = {
    host              = "made.rds.amazonaws.com"
    port              = 5432
    name              = "prefect"
    user              = "prefect"
    security_group_id = "sg-db"
    secret_arn        = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1-AbCdEf"
  }
  url = "https://prefect.mlops.internal"
}

run "one_server_runs_its_services_itself" {
  command = plan

  module {
    source = "./modules/server"
  }

  assert {
    condition     = length(module.services) == 0 && !contains(keys(local.environment), "PREFECT_MESSAGING_BROKER") && output.api_url == "https://prefect.mlops.internal/api"
    error_message = "There is a second service, or messaging without a Redis."
  }

  assert {
    condition     = local.environment["PREFECT_SERVER_DATABASE_HOST"] == var.database.host && local.secrets["PREFECT_SERVER_DATABASE_PASSWORD"] == "${var.database.secret_arn}:password::" && length(local.secrets) == 1
    error_message = "It does not find its database, or asks for what was not given."
  }

  assert {
    condition     = one(one(aws_lb_listener_rule.this.condition).host_header).values == toset(["prefect.mlops.internal"]) && aws_lb_target_group.this.health_check[0].path == "/api/ready"
    error_message = "The load balancer does not find it."
  }

  assert {
    condition     = join(",", keys(local.destinations)) == "database"
    error_message = "It may reach others than its database."
  }
}

run "several_servers_hear_each_other_by_redis_and_ask_for_a_password" {
  command = plan

  module {
    source = "./modules/server"
  }

  variables {
    messaging = {
      host              = "made.cache.amazonaws.com"
      port              = 6379
      security_group_id = "sg-redis"
    }
    servers = 2
    auth = {
      secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:made-AbCdEf"
    }
    settings = {
      PREFECT_SERVER_LOGGING_LEVEL = "WARNING"
    }
  }

  assert {
    condition     = length(module.services) == 1 && local.environment["PREFECT_MESSAGING_BROKER"] == "prefect_redis.messaging" && local.environment["PREFECT_REDIS_MESSAGING_SSL"] == "true"
    error_message = "The servers do not hear each other."
  }

  assert {
    condition     = local.secrets["PREFECT_SERVER_API_AUTH_STRING"] == var.auth.secret_arn && local.environment["PREFECT_SERVER_LOGGING_LEVEL"] == "WARNING"
    error_message = "It asks for no password, or a setting is lost."
  }

  assert {
    condition     = join(",", keys(local.destinations)) == "database,messaging" && length(output.service_names) == 2
    error_message = "It does not reach Redis."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/server"
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
    # No name.
    hosts = []
    # Rules begin at 1.
    priority = 0
    # A path.
    url = "https://mlops.internal/prefect"
    # No ARN.
    auth = {
      secret_arn = "admin:admin"
    }
    # Two that do not hear each other.
    servers   = 2
    messaging = null
    # Not Prefect's.
    settings = {
      HOME = "/root"
    }
  }

  expect_failures = [var.auth, var.cluster_arn, var.cpu, var.hosts, var.image, var.kms_key_arn, var.log_retention_days, var.name, var.priority, var.servers, var.settings, var.subnet_ids, var.url]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/server"
  }

  variables {
    # 21 characters, one too many.
    name = "mlops-production-2026"
    # Fargate gives 512 units 4 GiB at most.
    memory = 8192
    cpu    = 512
    # No tag.
    image = "mlops/worker"
    # Capitals.
    hosts = ["Prefect"]
  }

  expect_failures = [var.hosts, var.image, var.memory, var.name]
}

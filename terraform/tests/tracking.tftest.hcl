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
  hosts    = ["mlflow.mlops.internal"]
  priority = 20
  database = {
    host              = "made.rds.amazonaws.com"
    port              = 5432
    name              = "mlflow"
    user              = "mlflow"
    security_group_id = "sg-db"
    secret_arn        = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1-AbCdEf"
  }
  url              = "https://mlflow.mlops.internal"
  artifacts_bucket = "mlops-test-artifacts-123456789012"
}

run "it_may_touch_its_own_artifacts_and_its_own_database_alone" {
  command = plan

  module {
    source = "./modules/tracking"
  }

  assert {
    condition     = join(",", local.statements[1].resources) == "arn:aws:s3:::mlops-test-artifacts-123456789012/mlflow/*" && jsonencode(local.statements[0].conditions.StringLike) == jsonencode({ "s3:prefix" = ["mlflow", "mlflow/*"] })
    error_message = "It may touch other objects."
  }

  assert {
    condition     = alltrue([for each in local.statements : !strcontains(jsonencode(each.actions), "*") && !contains(each.resources, "*")])
    error_message = "A statement is a wildcard."
  }

  assert {
    condition     = aws_lb_target_group.this.health_check[0].path == "/health" && output.url == var.url
    error_message = "The load balancer does not find it."
  }
}

run "each_of_these_values_is_refused" {
  command = plan

  module {
    source = "./modules/tracking"
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
    url = "https://mlops.internal/mlflow"
    # None.
    servers = 0
  }

  expect_failures = [var.cluster_arn, var.cpu, var.hosts, var.image, var.kms_key_arn, var.log_retention_days, var.name, var.priority, var.servers, var.subnet_ids, var.url]
}

run "each_of_these_is_refused_too" {
  command = plan

  module {
    source = "./modules/tracking"
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

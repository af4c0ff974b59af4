# One Fargate service: its task, its roles, its log, and whom it may talk to.

data "aws_region" "current" {}

locals {
  full_name = "${var.name}-${var.service}"
  region    = data.aws_region.current.id

  # `<arn>:<key>::` names one value of a secret, and permissions are about the secret.
  secret_arns = [for arn in values(var.secrets) : join(":", slice(split(":", arn), 0, 7))]

  shell = {
    sid        = "OpenTheChannelOfAShell"
    actions    = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
    resources  = ["*"] # AWS knows no resource for these
    conditions = { StringEquals = { "aws:RequestedRegion" = [local.region] } }
  }

  container = {
    name                   = var.service
    image                  = var.image
    essential              = true
    command                = var.command
    readonlyRootFilesystem = true
    environment            = [for key in sort(keys(var.environment)) : { name = key, value = var.environment[key] }]
    secrets                = [for key in sort(keys(var.secrets)) : { name = key, valueFrom = var.secrets[key] }]
    portMappings           = [for port in var.port == null ? [] : [var.port] : { containerPort = port, hostPort = port, protocol = "tcp" }]
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true }
    stopTimeout            = 60
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = var.service
      }
    }
    healthCheck = var.health_command == null ? null : {
      command     = var.health_command
      interval    = 30
      timeout     = 10
      retries     = 3
      startPeriod = 120
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/${var.service}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

module "execution_role" {
  source = "../execution-role"

  name            = var.name
  role            = "${var.service}-execution"
  kms_key_arn     = var.kms_key_arn
  repository_arns = var.repository_arns
  secret_arns     = local.secret_arns
  log_group_arns  = [aws_cloudwatch_log_group.this.arn]
  tags            = var.tags
}

module "task_role" {
  source = "../role"

  name        = var.name
  role        = "${var.service}-task"
  description = "What the tasks of the service ${local.full_name} may do."
  statements  = concat(var.statements, [for each in [local.shell] : each if var.shell])
  tags        = var.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.full_name
  cpu                      = var.cpu
  memory                   = var.memory
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  execution_role_arn       = module.execution_role.arn
  task_role_arn            = module.task_role.arn
  container_definitions    = jsonencode([{ for key, value in local.container : key => value if value != null }])
  tags                     = var.tags

  runtime_platform {
    cpu_architecture        = var.architecture
    operating_system_family = "LINUX"
  }

  volume {
    name = "tmp"
  }
}

resource "aws_ecs_service" "this" {
  name                               = local.full_name
  cluster                            = var.cluster_arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.tasks
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_execute_command             = var.shell
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  health_check_grace_period_seconds  = var.balancer == null ? null : 180
  tags                               = var.tags

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = false
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "load_balancer" {
    for_each = var.balancer == null ? [] : [var.balancer]

    content {
      container_name   = var.service
      container_port   = var.port
      target_group_arn = load_balancer.value.target_group_arn
    }
  }
}

# Two slots a model, each a service behind a target group, and one rule that divides the model's traffic between them.
# Which slot is champion, what runs in it and how much traffic it gets is data: Terraform makes the places and looks away.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  port      = 3000
  container = "server"
  region    = data.aws_region.current.id
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  cluster   = split("/", var.cluster_arn)[1]
  unique    = substr(md5(var.name), 0, 4) # two environments of an account may serve models of the same name

  slots = merge([for model in keys(var.models) : { for slot in ["a", "b"] : "${model}-${slot}" => model }]...)
}

resource "aws_lb_target_group" "slot" {
  #checkov:skip=CKV_AWS_378: TLS ends at the load balancer; from there to the tasks traffic stays between two security groups of the VPC.
  for_each = local.slots

  name                 = "${each.key}-${local.unique}"
  vpc_id               = var.vpc_id
  port                 = local.port
  protocol             = "HTTP"
  target_type          = "ip"
  deregistration_delay = 60
  tags                 = merge(var.tags, { "mlops-model" = each.value })

  # Ready is what the model says, not its socket.
  health_check {
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener_rule" "model" {
  for_each = var.models

  listener_arn = var.balancer.listener_arn
  priority     = each.value.priority
  tags         = merge(var.tags, { "mlops-model" = each.key })

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.slot["${each.key}-a"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.slot["${each.key}-b"].arn
        weight = 0
      }
    }
  }

  condition {
    host_header {
      values = ["${each.key}.${var.domain}"]
    }
  }

  # A release writes weights, and in tags when it did so.
  lifecycle {
    ignore_changes = [action, tags, tags_all]
  }
}

# What a slot is made with: it runs nowhere, for a new slot has no tasks; the first release registers another.
resource "aws_ecs_task_definition" "empty" {
  family                   = "${var.name}-empty-slot"
  cpu                      = var.cpu
  memory                   = var.memory
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  execution_role_arn       = module.execution_role.arn
  task_role_arn            = module.server_role.arn
  tags                     = var.tags

  container_definitions = jsonencode([{
    name                   = local.container
    image                  = var.image
    essential              = true
    readonlyRootFilesystem = true
    portMappings           = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "empty-slot"
      }
    }
  }])
}

resource "aws_ecs_service" "slot" {
  for_each = local.slots

  name                               = each.key
  cluster                            = var.cluster_arn
  task_definition                    = aws_ecs_task_definition.empty.arn
  desired_count                      = 0
  launch_type                        = "FARGATE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  health_check_grace_period_seconds  = 60
  tags                               = merge(var.tags, { "mlops-model" = each.value })

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.servers.id]
    assign_public_ip = false
  }

  # A version that does not start is told to the release, which empties the slot; ECS is not to bring back another one.
  deployment_circuit_breaker {
    enable   = true
    rollback = false
  }

  load_balancer {
    container_name   = local.container
    container_port   = local.port
    target_group_arn = aws_lb_target_group.slot[each.key].arn
  }

  lifecycle {
    ignore_changes = [desired_count, task_definition]
  }

  depends_on = [aws_lb_listener_rule.model] # ECS takes no target group that no listener forwards to
}

locals {
  growing = { for slot, model in local.slots : slot => var.models[model] if var.models[model].most_tasks != null }
}

resource "aws_appautoscaling_target" "slot" {
  for_each = local.growing

  service_namespace  = "ecs"
  resource_id        = "service/${local.cluster}/${aws_ecs_service.slot[each.key].name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = 0 # an empty slot stays empty
  max_capacity       = each.value.most_tasks
}

# It only lets a slot grow: whoever serves is never scaled away, and a release says how many tasks a slot begins with.
resource "aws_appautoscaling_policy" "slot" {
  for_each = local.growing

  name               = "${each.key}-requests"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = "ecs"
  resource_id        = aws_appautoscaling_target.slot[each.key].resource_id
  scalable_dimension = aws_appautoscaling_target.slot[each.key].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.requests_per_minute
    disable_scale_in   = true
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${var.balancer.arn_suffix}/${aws_lb_target_group.slot[each.key].arn_suffix}"
    }
  }
}

# The ECS cluster in which everything runs, on Fargate.

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65: Counting is a choice with a price; it is on unless `container_insights` says otherwise.
  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }

  # Whoever opens a shell in a task is encrypted and logged; `service` leaves it closed by default.
  configuration {
    execute_command_configuration {
      kms_key_id = var.kms_key_arn
      logging    = "OVERRIDE"

      log_configuration {
        cloud_watch_encryption_enabled = true
        cloud_watch_log_group_name     = aws_cloudwatch_log_group.shells.name
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "shells" {
  name              = "/${var.name}/shells"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

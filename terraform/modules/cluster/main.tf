# The ECS cluster in which everything runs, on Fargate.

resource "aws_ecs_cluster" "this" {
  name = var.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = var.container_insights ? "enabled" : "disabled"
  }

  # Whoever opens a shell in a task is encrypted, and does so without a log: `service` leaves it closed by default.
  configuration {
    execute_command_configuration {
      kms_key_id = var.kms_key_arn
      logging    = "NONE"
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

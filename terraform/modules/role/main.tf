# A role that only ECS tasks of this account take, and that may do what is written out for it.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id

  statements = [
    for each in var.statements : {
      for key, value in {
        Sid       = each.sid
        Effect    = "Allow"
        Action    = sort(each.actions)
        Resource  = each.resources
        Condition = length(each.conditions) > 0 ? each.conditions : null
      } : key => value if value != null
    }
  ]
}

resource "aws_iam_role" "this" {
  name        = "${var.name}-${var.role}"
  description = var.description
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TasksOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike = {
          "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.id}:${local.account_id}:*"
        }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  count = length(var.statements) > 0 ? 1 : 0

  name   = "allowed"
  role   = aws_iam_role.this.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

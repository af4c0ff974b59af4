# The role by which ECS itself starts a task: it pulls the image, reads the secrets and opens the log.

data "aws_region" "current" {}

locals {
  pull = [
    # AWS knows no resource for this action: a token is for the whole registry, and reads nothing by itself.
    {
      sid        = "AskForATokenOfTheRegistry"
      actions    = ["ecr:GetAuthorizationToken"]
      resources  = ["*"]
      conditions = { StringEquals = { "aws:RequestedRegion" = [data.aws_region.current.id] } }
    },
    {
      sid        = "PullTheImages"
      actions    = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources  = var.repository_arns
      conditions = {}
    },
  ]
  secrets = [
    {
      sid        = "ReadTheSecrets"
      actions    = ["secretsmanager:GetSecretValue"]
      resources  = distinct(var.secret_arns)
      conditions = {}
    },
    {
      sid        = "DecryptTheSecrets"
      actions    = ["kms:Decrypt"]
      resources  = [var.kms_key_arn]
      conditions = { StringEquals = { "kms:ViaService" = ["secretsmanager.${data.aws_region.current.id}.amazonaws.com"] } }
    },
  ]
  logs = {
    sid        = "WriteTheLogs"
    actions    = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources  = [for arn in var.log_group_arns : "${arn}:log-stream:*"]
    conditions = {}
  }

  allowed = concat(
    [for each in local.pull : each if length(var.repository_arns) > 0],
    [for each in local.secrets : each if length(var.secret_arns) > 0],
    [local.logs],
  )
}

module "role" {
  source = "../role"

  name        = var.name
  role        = var.role
  description = "Pulls images, reads secrets and writes logs for the tasks that ECS starts."
  statements  = local.allowed
  tags        = var.tags
}

# What the servers of all slots share: roles, log, security group; and what a release may do with the slots.

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/serving"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

module "execution_role" {
  source = "../execution-role"

  name            = var.name
  role            = "serving-execution"
  kms_key_arn     = var.kms_key_arn
  repository_arns = var.repository_arns
  secret_arns     = [for secret in [var.token, var.personal_key] : secret.secret_arn if secret != null]
  log_group_arns  = [aws_cloudwatch_log_group.this.arn]
  tags            = var.tags
}

module "server_role" {
  source = "../role"

  name        = var.name
  role        = "serving-task"
  description = "Reads bentos and logs predictions."
  tags        = var.tags
  statements = [
    {
      sid        = "FindBentos"
      actions    = ["s3:ListBucket"]
      resources  = ["arn:${local.partition}:s3:::${var.bentos}"]
      conditions = { StringLike = { "s3:prefix" = ["bentos", "bentos/*"] } }
    },
    {
      sid        = "ReadBentos"
      actions    = ["s3:GetObject"]
      resources  = ["arn:${local.partition}:s3:::${var.bentos}/bentos/*"]
      conditions = {}
    },
    {
      sid        = "LogPredictions"
      actions    = ["s3:AbortMultipartUpload", "s3:PutObject"]
      resources  = ["arn:${local.partition}:s3:::${var.predictions}/predictions/*"]
      conditions = {}
    },
    {
      sid        = "DecryptBentosAndEncryptPredictions"
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources  = [var.kms_key_arn]
      conditions = { StringEquals = { "kms:ViaService" = ["s3.${local.region}.amazonaws.com"] } }
    },
  ]
}

resource "aws_security_group" "servers" {
  name        = "${var.name}-serving"
  description = "Servers of all models of ${var.name}."
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-serving" })
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.servers.id
  description       = "HTTPS, to S3 and the other services of AWS."
  cidr_ipv4         = "0.0.0.0/0"
  from_port         = 443
  to_port           = 443
  ip_protocol       = "tcp"
  tags              = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  security_group_id            = aws_security_group.servers.id
  description                  = "From the load balancer."
  referenced_security_group_id = var.balancer.security_group_id
  from_port                    = local.port
  to_port                      = local.port
  ip_protocol                  = "tcp"
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = var.balancer.security_group_id
  description                  = "To the servers of all models."
  referenced_security_group_id = aws_security_group.servers.id
  from_port                    = local.port
  to_port                      = local.port
  ip_protocol                  = "tcp"
  tags                         = var.tags
}

locals {
  here         = { StringEquals = { "aws:RequestedRegion" = [local.region] } }
  in_cluster   = { ArnEquals = { "ecs:cluster" = [var.cluster_arn] } }
  ecs          = "arn:${local.partition}:ecs:${local.region}:${local.account}"
  release_role = [module.execution_role.arn, module.server_role.arn]

  release_statements = [
    {
      sid        = "DeployIntoSlots"
      actions    = ["ecs:DescribeServices", "ecs:UpdateService"]
      resources  = [for slot in keys(local.slots) : "${local.ecs}:service/${local.cluster}/${slot}"]
      conditions = local.in_cluster
    },
    {
      sid        = "AskWhyTasksStopped"
      actions    = ["ecs:DescribeTasks"]
      resources  = ["${local.ecs}:task/${local.cluster}/*"]
      conditions = local.in_cluster
    },
    # AWS knows no resource for the next three statements: lists and descriptions, and task definitions.
    {
      sid        = "ListTasksOfTheCluster"
      actions    = ["ecs:ListTasks"]
      resources  = ["*"]
      conditions = local.in_cluster
    },
    {
      sid        = "RegisterVersions"
      actions    = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
      resources  = ["*"]
      conditions = local.here
    },
    {
      sid = "LookAtTheLoadBalancer"
      actions = [
        "cloudwatch:GetMetricData", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
      ]
      resources  = ["*"]
      conditions = local.here
    },
    {
      sid        = "DivideTraffic"
      actions    = ["elasticloadbalancing:AddTags", "elasticloadbalancing:ModifyRule"]
      resources  = [for rule in aws_lb_listener_rule.model : rule.arn]
      conditions = {}
    },
    {
      sid        = "HandServersTheirTwoRoles"
      actions    = ["iam:PassRole"]
      resources  = local.release_role
      conditions = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com"] } }
    },
  ]
}

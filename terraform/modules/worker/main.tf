# The Prefect worker, which starts a task for each flow run, and hears from ECS how each of them ends.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region     = data.aws_region.current.id
  ecs        = "arn:${data.aws_partition.current.partition}:ecs:${local.region}:${data.aws_caller_identity.current.account_id}"
  cluster    = split("/", var.cluster_arn)[1]
  family     = "${var.name}-flow"
  flow_image = coalesce(var.flow.image, var.image)
  here       = { StringEquals = { "aws:RequestedRegion" = [local.region] } }

  api_secrets = {
    for name, auth in { PREFECT_API_AUTH_STRING = var.auth, PREFECT_API_KEY = var.api_key } : name => auth.secret_arn if auth != null
  }

  statements = [
    {
      sid        = "RunFlows"
      actions    = ["ecs:RunTask"]
      resources  = ["${local.ecs}:task-definition/${local.family}:*"]
      conditions = { ArnEquals = { "ecs:cluster" = [var.cluster_arn] } }
    },
    {
      sid        = "WatchAndStopFlows"
      actions    = ["ecs:DescribeTasks", "ecs:StopTask"]
      resources  = ["${local.ecs}:task/${local.cluster}/*"]
      conditions = { ArnEquals = { "ecs:cluster" = [var.cluster_arn] } }
    },
    {
      sid        = "LabelFlows"
      actions    = ["ecs:TagResource"]
      resources  = ["${local.ecs}:task/${local.cluster}/*", "${local.ecs}:task-definition/${local.family}:*"]
      conditions = { StringEquals = { "ecs:CreateAction" = ["RegisterTaskDefinition", "RunTask"] } }
    },
    # AWS knows no resource for these three.
    {
      sid        = "RegisterTaskDefinitions"
      actions    = ["ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
      resources  = ["*"]
      conditions = local.here
    },
    # Nor for what lists networks: the worker looks whether the subnets of a flow lie in its VPC.
    {
      sid        = "LookAtNetworks"
      actions    = ["ec2:DescribeSubnets", "ec2:DescribeVpcs"]
      resources  = ["*"]
      conditions = local.here
    },
    {
      sid        = "HandFlowsTheirTwoRoles"
      actions    = ["iam:PassRole"]
      resources  = [module.flow_role.arn, module.flow_execution_role.arn]
      conditions = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com"] } }
    },
    {
      sid        = "HearHowFlowsEnd"
      actions    = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      resources  = [module.ends.arn]
      conditions = {}
    },
    {
      sid        = "DecryptWhatItHears"
      actions    = ["kms:Decrypt"]
      resources  = [var.kms_key_arn]
      conditions = { StringEquals = { "kms:ViaService" = ["sqs.${local.region}.amazonaws.com"] } }
    },
    {
      sid        = "ReadTheLogOfACrashedFlow"
      actions    = ["logs:GetLogEvents"]
      resources  = ["${aws_cloudwatch_log_group.flow.arn}:log-stream:*"]
      conditions = {}
    },
  ]
}

module "service" {
  source = "../service"

  name               = var.name
  service            = "worker"
  cluster_arn        = var.cluster_arn
  vpc_id             = var.vpc_id
  subnet_ids         = var.subnet_ids
  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days
  image              = var.image
  repository_arns    = var.repository_arns
  secrets            = local.api_secrets
  statements         = local.statements
  destinations       = var.destinations
  cpu                = var.cpu
  memory             = var.memory
  tags               = var.tags

  command = concat(
    ["prefect", "worker", "start", "--type", "ecs", "--pool", var.work_pool, "--install-policy", "never", "--no-create-pool-if-not-found", "--with-healthcheck"],
    var.most_runs > 0 ? ["--limit", tostring(var.most_runs)] : [],
  )
  # The worker hands its own settings on to its flows: it has no more of them than it needs.
  environment = {
    AWS_DEFAULT_REGION                                   = local.region
    HOME                                                 = "/tmp"
    PREFECT_API_URL                                      = var.prefect_api_url
    PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME = module.ends.name
  }
  health_command = ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=5)"]
}

resource "aws_cloudwatch_event_rule" "ends" {
  name        = "${var.name}-flow-ends"
  description = "What becomes of the tasks of the cluster ${local.cluster}."
  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = ["ECS Task State Change"]
    detail        = { clusterArn = [var.cluster_arn] }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "ends" {
  rule      = aws_cloudwatch_event_rule.ends.name
  target_id = "queue"
  arn       = module.ends.arn
}

module "ends" {
  source = "../queue"

  name        = var.name
  queue       = "flow-ends"
  kms_key_arn = var.kms_key_arn
  rule_arns   = [aws_cloudwatch_event_rule.ends.arn]
  tags        = var.tags
}

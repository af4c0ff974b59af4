# The role by which RDS writes the instance's own figures, once a minute.

data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id  = data.aws_caller_identity.current.account_id
  partition   = data.aws_partition.current.partition
  region      = data.aws_region.current.id
  metrics_arn = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:RDSOSMetrics"
}

resource "aws_iam_role" "monitoring" {
  name        = "${local.full_name}-monitoring"
  description = "Writes the figures of the database ${local.full_name}."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "MonitoringOfThisDatabase"
      Effect    = "Allow"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = local.account_id
          "aws:SourceArn"     = "arn:${local.partition}:rds:${local.region}:${local.account_id}:db:${local.full_name}"
        }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "monitoring" {
  name = "write"
  role = aws_iam_role.monitoring.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "MakeTheLogGroupThatRdsNames"
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:PutRetentionPolicy"]
        Resource = local.metrics_arn
      },
      {
        Sid      = "WriteTheFigures"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:PutLogEvents"]
        Resource = "${local.metrics_arn}:log-stream:*"
      },
    ]
  })
}

# What lands in a bucket is announced on a queue: S3, EventBridge, SQS.

data "aws_region" "current" {}

resource "aws_s3_bucket_notification" "this" {
  bucket      = var.bucket
  eventbridge = true
}

resource "aws_cloudwatch_event_rule" "landed" {
  for_each = var.landings

  name        = "${var.name}-landed-${each.key}"
  description = "Objects below ${each.value} of the bucket ${var.bucket}."
  event_pattern = jsonencode({
    source        = ["aws.s3"]
    "detail-type" = ["Object Created"]
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = [{ prefix = each.value }] }
    }
  })
  tags = var.tags
}

resource "aws_cloudwatch_event_target" "landed" {
  for_each = var.landings

  rule      = aws_cloudwatch_event_rule.landed[each.key].name
  target_id = "queue"
  arn       = module.queue[each.key].arn
}

module "queue" {
  source   = "../queue"
  for_each = var.landings

  name               = var.name
  queue              = "landed-${each.key}"
  kms_key_arn        = var.kms_key_arn
  rule_arns          = [aws_cloudwatch_event_rule.landed[each.key].arn]
  visibility_seconds = var.visibility_seconds
  tags               = var.tags
}

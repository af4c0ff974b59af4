# Who may not touch a bucket at all, and which AWS services may write access logs.

locals {
  arns = { for kind, name in local.names : kind => "arn:${local.partition}:s3:::${name}" }

  tls_only = {
    for kind, arn in local.arns : kind => {
      Sid       = "NothingWithoutTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [arn, "${arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }

  log_writers = [
    {
      Sid       = "AccessLogsOfOurBuckets"
      Effect    = "Allow"
      Principal = { Service = "logging.s3.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.arns.logs}/s3/*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = [for kind in local.kept : local.arns[kind]] }
      }
    },
    {
      Sid       = "AccessLogsOfOurLoadBalancers"
      Effect    = "Allow"
      Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.arns.logs}/balancer/*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:elasticloadbalancing:${data.aws_region.current.id}:${local.account_id}:loadbalancer/*" }
      }
    },
  ]
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.names

  bucket = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.tls_only[each.key]], [for writer in local.log_writers : writer if each.key == "logs"])
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

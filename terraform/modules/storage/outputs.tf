output "data_bucket" {
  description = "Name of the bucket of tables, landings and prediction logs."
  value       = aws_s3_bucket.this["data"].id

  depends_on = [aws_s3_bucket_policy.this]
}

output "data_bucket_arn" {
  description = "ARN of the bucket of data."
  value       = local.arns.data
}

output "artifacts_bucket" {
  description = "Name of the bucket of MLflow artifacts and bentos."
  value       = aws_s3_bucket.this["artifacts"].id

  depends_on = [aws_s3_bucket_policy.this]
}

output "artifacts_bucket_arn" {
  description = "ARN of the bucket of artifacts."
  value       = local.arns.artifacts
}

output "logs_bucket" {
  description = "Name of the bucket of access logs; load balancers write below `balancer/`."
  value       = aws_s3_bucket.this["logs"].id

  depends_on = [aws_s3_bucket_policy.this]
}

output "flow_statements" {
  description = "What flows may do with data and bentos, for `flow.statements` of the module `worker`."
  value = [
    {
      sid        = "ListDataAndBentos"
      actions    = ["s3:GetBucketLocation", "s3:ListBucket"]
      resources  = [local.arns.artifacts, local.arns.data]
      conditions = {}
    },
    {
      sid        = "ReadAndWriteDataAndBentos"
      actions    = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
      resources  = ["${local.arns.artifacts}/bentos/*", "${local.arns.data}/*"]
      conditions = {}
    },
    {
      sid        = "EncryptDataAndBentos"
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources  = [var.kms_key_arn]
      conditions = { StringEquals = { "kms:ViaService" = ["s3.${data.aws_region.current.id}.amazonaws.com"] } }
    },
  ]
}

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

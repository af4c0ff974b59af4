output "arns" {
  description = "ARN of each secret by its name."
  value       = { for key, secret in aws_secretsmanager_secret.this : key => secret.arn }

  depends_on = [aws_secretsmanager_secret_version.this]
}

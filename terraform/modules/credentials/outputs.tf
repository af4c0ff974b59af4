output "arns" {
  description = "ARN of each secret by its name."
  value       = { for key, secret in aws_secretsmanager_secret.this : key => secret.arn }

  depends_on = [aws_secretsmanager_secret_version.this]
}

output "reader_statements" {
  description = "What a flow that reads these secrets may do, for `flow.statements` of the module `worker`."
  value = [
    {
      sid        = "ReadSecrets"
      actions    = ["secretsmanager:GetSecretValue"]
      resources  = [for secret in aws_secretsmanager_secret.this : secret.arn]
      conditions = {}
    },
    {
      sid        = "DecryptSecrets"
      actions    = ["kms:Decrypt"]
      resources  = [var.kms_key_arn]
      conditions = { StringEquals = { "kms:ViaService" = ["secretsmanager.${data.aws_region.current.id}.amazonaws.com"] } }
    },
  ]
}

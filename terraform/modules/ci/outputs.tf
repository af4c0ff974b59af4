output "role_arns" {
  description = "ARN of each role by its name, for `role-to-assume` in a workflow."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

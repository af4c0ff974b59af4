output "urls" {
  description = "Address of each repository by image, to which a tag or digest is appended."
  value       = { for image, repository in aws_ecr_repository.this : image => repository.repository_url }
}

output "arns" {
  description = "ARN of each repository by image."
  value       = { for image, repository in aws_ecr_repository.this : image => repository.arn }
}

output "connection" {
  description = "Where the database is: `host`, `port`, `name`, `user`, its `security_group_id`, and `secret_arn`, whose key `password` holds the password."
  value = {
    host              = aws_db_instance.this.address
    port              = aws_db_instance.this.port
    name              = var.database
    user              = var.database
    security_group_id = aws_security_group.this.id
    secret_arn        = aws_db_instance.this.master_user_secret[0].secret_arn
  }
}

output "identifier" {
  description = "Name of the instance, as CloudWatch calls it."
  value       = aws_db_instance.this.identifier
}

# A PostgreSQL that nobody outside of the VPC reaches, and whose password Terraform never sees.

data "aws_caller_identity" "current" {}

locals {
  full_name = "${var.name}-${var.database}"
  major     = split(".", var.engine_version)[0]
}

resource "aws_db_subnet_group" "this" {
  name        = local.full_name
  description = "Private subnets of ${local.full_name}."
  subnet_ids  = var.subnet_ids
  tags        = var.tags
}

resource "aws_db_parameter_group" "this" {
  name        = "${local.full_name}-${local.major}"
  description = "TLS only, and slow queries in the log."
  family      = "postgres${local.major}"
  tags        = var.tags

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = tostring(var.slow_query_ms)
  }

  # What checkov calls query logging: statements that change tables, and no data.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["postgresql", "upgrade"])

  name              = "/aws/rds/instance/${local.full_name}/${each.key}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_db_instance" "this" {
  identifier     = local.full_name
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class
  db_name        = var.database
  username       = var.database
  tags           = var.tags

  # RDS makes the password and keeps it in Secrets Manager; neither plan nor state ever hold it.
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.kms_key_arn

  allocated_storage     = var.storage_gib
  max_allocated_storage = var.most_storage_gib
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  publicly_accessible    = false
  multi_az               = var.multi_zone
  parameter_group_name   = aws_db_parameter_group.this.name

  backup_retention_period   = var.backup_days
  copy_tags_to_snapshot     = true
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = !var.final_snapshot
  final_snapshot_identifier = var.final_snapshot ? "${local.full_name}-final" : null
  delete_automated_backups  = false

  auto_minor_version_upgrade          = true
  iam_database_authentication_enabled = true
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
  performance_insights_enabled        = true
  performance_insights_kms_key_id     = var.kms_key_arn
  monitoring_interval                 = 60
  monitoring_role_arn                 = aws_iam_role.monitoring.arn

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.monitoring]
}

resource "aws_secretsmanager_secret_rotation" "this" {
  secret_id          = aws_db_instance.this.master_user_secret[0].secret_arn
  rotate_immediately = false

  rotation_rules {
    automatically_after_days = var.password_rotation_days
  }
}

resource "aws_security_group" "this" {
  name        = "${local.full_name}-database"
  description = "The database ${local.full_name}."
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${local.full_name}-database" })
}

resource "aws_vpc_security_group_ingress_rule" "client" {
  for_each = var.clients

  security_group_id            = aws_security_group.this.id
  description                  = "From ${each.key}."
  referenced_security_group_id = each.value
  from_port                    = 5432
  to_port                      = 5432
  ip_protocol                  = "tcp"
  tags                         = var.tags
}

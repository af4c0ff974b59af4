# Random secrets that go from AWS to AWS: neither plan nor state hold them.

data "aws_region" "current" {}

ephemeral "aws_secretsmanager_random_password" "this" {
  for_each = var.generate ? var.secrets : {}

  password_length     = 48
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57: Both sides of these secrets read them when they start, so they change by `generation` and a new deployment, never by themselves.
  for_each = var.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value.description
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = var.generate ? var.secrets : {}

  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = "${each.value.prefix}${ephemeral.aws_secretsmanager_random_password.this[each.key].random_password}"
  secret_string_wo_version = var.generation
}

# Roles that GitHub's workflows take without any key that lasts.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  issuer       = "token.actions.githubusercontent.com"
  provider_arn = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:oidc-provider/${local.issuer}"

  policies = merge([
    for name, role in var.roles : { for arn in role.policy_arns : "${name}/${arn}" => { role = name, arn = arn } }
  ]...)
}

resource "aws_iam_openid_connect_provider" "this" {
  count = var.make_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
  tags           = var.tags
}

resource "aws_iam_role" "this" {
  for_each = var.roles

  name                 = "${var.name}-ci-${each.key}"
  description          = "Workflows of ${var.repository}: ${each.key}."
  permissions_boundary = each.value.boundary_arn
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RunsOfTheRepository"
      Effect    = "Allow"
      Principal = { Federated = local.provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "${local.issuer}:aud" = "sts.amazonaws.com"
          "${local.issuer}:sub" = [for subject in each.value.subjects : "repo:${var.repository}:${subject}"]
        }
      }
    }]
  })
  tags = var.tags

  depends_on = [aws_iam_openid_connect_provider.this]
}

resource "aws_iam_role_policy" "this" {
  for_each = { for name, role in var.roles : name => role if length(role.statements) > 0 }

  name = "allowed"
  role = aws_iam_role.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in each.value.statements : {
        for key, value in {
          Sid       = statement.sid
          Effect    = "Allow"
          Action    = sort(statement.actions)
          Resource  = statement.resources
          Condition = length(statement.conditions) > 0 ? statement.conditions : null
        } : key => value if value != null
      }
    ]
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = local.policies

  role       = aws_iam_role.this[each.value.role].name
  policy_arn = each.value.arn
}

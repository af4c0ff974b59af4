# Where data and artifacts lie, and the log of who read them.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  suffix     = var.suffix == "" ? local.account_id : var.suffix

  names = { for kind in ["data", "artifacts", "logs"] : kind => "${var.name}-${kind}-${local.suffix}" }
  kept  = toset(["data", "artifacts"])
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18: The bucket of the access logs does not log itself; the two others do.
  #checkov:skip=CKV_AWS_144: A second region is a choice with twice the price; versions are kept, and backups are a team's own.
  #checkov:skip=CKV2_AWS_62: What lands in the bucket of data is announced by the module `events`; nobody waits for the others.
  for_each = local.names

  bucket        = each.value
  force_destroy = var.delete_data_on_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.names

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.names

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.names

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.names

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = each.key != "logs"

    # S3 and load balancers write no access logs into a bucket that has a key of ours.
    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "logs" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "logs" ? null : var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.names

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = each.key == "logs" ? [var.access_log_days] : []

    content {
      id     = "old-logs"
      status = "Enabled"

      filter {}

      expiration {
        days = rule.value
      }
    }
  }

  dynamic "rule" {
    for_each = each.key == "data" && var.infrequent_after_days > 0 ? [var.infrequent_after_days] : []

    content {
      id     = "seldom-read"
      status = "Enabled"

      filter {}

      transition {
        days          = rule.value
        storage_class = "STANDARD_IA"
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  for_each = local.kept

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "s3/${each.key}/"
}

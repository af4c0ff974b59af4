variable "name" {
  description = "Name of the environment, such as `mlops-prod`; what is made here is called after it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "`name` must have 2 to 20 characters: lower-case letters, digits and hyphens, beginning with a letter. Shorten it, or write it in lower case."
  }
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts what is stored here; output `arn` of the module `key`."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "`kms_key_arn` must be the ARN of a key, such as arn:aws:kms:eu-west-1:123456789012:key/...; an alias or an id is not enough."
  }
}

variable "suffix" {
  description = "What makes the buckets' names unique in the world; the account's number when empty."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-z0-9-]{0,24}$", var.suffix)) && !endswith(var.suffix, "-")
    error_message = "`suffix` may have 24 lower-case letters, digits and hyphens at most, and no hyphen at its end: S3 takes no other name."
  }
}

variable "noncurrent_days" {
  description = "Days for which overwritten and deleted objects can be brought back."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "`noncurrent_days` must be a whole number of days, 1 or more."
  }
}

variable "access_log_days" {
  description = "Days for which access logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.access_log_days >= 1 && floor(var.access_log_days) == var.access_log_days
    error_message = "`access_log_days` must be a whole number of days, 1 or more."
  }
}

variable "infrequent_after_days" {
  description = "Days after which data moves to the cheaper storage class; 0 for never. S3 takes none sooner than after 30."
  type        = number
  default     = 0

  validation {
    condition     = var.infrequent_after_days == 0 || var.infrequent_after_days >= 30
    error_message = "`infrequent_after_days` must be 0, or 30 or more: S3 moves nothing to STANDARD_IA sooner."
  }
}

variable "delete_data_on_destroy" {
  description = "Whether `terraform destroy` also deletes the objects; by default it refuses buckets that hold any."
  type        = bool
  default     = false
}

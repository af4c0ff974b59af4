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

variable "queue" {
  description = "What lands in the queue, such as `landings`; it is called `<name>-<queue>`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,38}[a-z0-9]$", var.queue))
    error_message = "`queue` must have 2 to 40 lower-case letters, digits and hyphens."
  }
}

variable "rule_arns" {
  description = "ARNs of the EventBridge rules that may send to the queue; nobody else may."
  type        = list(string)
}

variable "visibility_seconds" {
  description = "Seconds for which a message that was received is hidden from others; longer than it takes to handle one."
  type        = number
  default     = 300

  validation {
    condition     = var.visibility_seconds >= 0 && var.visibility_seconds <= 43200
    error_message = "`visibility_seconds` must be between 0 and 43200, which is twelve hours."
  }
}

variable "retention_days" {
  description = "Days for which a message waits; its dead-letter queue keeps what failed for 14."
  type        = number
  default     = 7

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 14
    error_message = "`retention_days` must be between 1 and 14: SQS keeps nothing longer."
  }
}

variable "attempts" {
  description = "Receptions after which a message goes to the dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.attempts >= 1 && var.attempts <= 1000
    error_message = "`attempts` must be between 1 and 1000."
  }
}

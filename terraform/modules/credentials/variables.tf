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

variable "secrets" {
  description = "Secrets to make, by name: what each is for, and what stands before the random part, such as `admin:`."
  type = map(object({
    description = string
    prefix      = optional(string, "")
  }))

  validation {
    condition     = length(var.secrets) > 0 && alltrue([for key in keys(var.secrets) : can(regex("^[a-z][a-z0-9-]{1,39}$", key))])
    error_message = "`secrets` must name one secret or more, each with 2 to 40 lower-case letters, digits and hyphens."
  }
}

variable "generate" {
  description = "Whether Terraform fills the secrets with random words, which are in no plan and no state; else somebody else does."
  type        = bool
  default     = true
}

variable "generation" {
  description = "Raise it by one to have new words generated for all secrets."
  type        = number
  default     = 1

  validation {
    condition     = var.generation >= 1 && floor(var.generation) == var.generation
    error_message = "`generation` must be a whole number, 1 or more."
  }
}

variable "recovery_days" {
  description = "Days in which a destroyed secret can be brought back; 0 for none, 7 to 30 otherwise."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_days == 0 || var.recovery_days >= 7 && var.recovery_days <= 30
    error_message = "`recovery_days` must be 0, or between 7 and 30: Secrets Manager knows no other."
  }
}

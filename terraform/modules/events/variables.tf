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

variable "bucket" {
  description = "Bucket in which batches land; output `data_bucket` of the module `storage`."
  type        = string
}

variable "landings" {
  description = "Where batches land, by the queue's name, such as `{ flights = \"landing/flights/\" }`."
  type        = map(string)

  validation {
    condition     = length(var.landings) > 0 && length(var.landings) <= 100 && alltrue([for key in keys(var.landings) : can(regex("^[a-z][a-z0-9-]{0,27}[a-z0-9]$", key))])
    error_message = "`landings` must name 1 to 100 landings, each with 2 to 29 lower-case letters, digits and hyphens."
  }

  validation {
    condition     = alltrue([for prefix in values(var.landings) : endswith(prefix, "/") && !startswith(prefix, "/") && !strcontains(prefix, "*")])
    error_message = "`landings` must give each a prefix that ends with a slash and does not begin with one, such as landing/flights/; it has no wildcards."
  }

  validation {
    condition = alltrue(flatten([
      for one, prefix in var.landings : [for other, wider in var.landings : one == other || !startswith(prefix, wider)]
    ]))
    error_message = "`landings` has a prefix that lies in another one: each object would be announced twice."
  }
}

variable "visibility_seconds" {
  description = "Seconds for which a message that was received is hidden from others."
  type        = number
  default     = 300
}

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

variable "emails" {
  description = "Addresses that are told; each must confirm a mail from AWS first."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", each))])
    error_message = "`emails` must hold addresses such as team@example.org."
  }
}

variable "cluster_name" {
  description = "Name of the ECS cluster; output `name` of the module `cluster`."
  type        = string
}

variable "services" {
  description = "Services of which a task must always run, such as `{ worker = module.worker.service_name }`."
  type        = map(string)
  default     = {}
}

variable "queues" {
  description = "Queues whose messages must not grow old, by a name."
  type        = map(string)
  default     = {}
}

variable "oldest_message_seconds" {
  description = "Age at which a message has waited too long."
  type        = number
  default     = 900

  validation {
    condition     = var.oldest_message_seconds >= 60
    error_message = "`oldest_message_seconds` must be 60 or more: CloudWatch looks once a minute."
  }
}

variable "dead_queues" {
  description = "Dead-letter queues, which must be empty, by a name."
  type        = map(string)
  default     = {}
}

variable "balancers" {
  description = "Load balancers that are watched, by a name: output `arn_suffix` of the module `balancer`."
  type        = map(string)
  default     = {}
}

variable "most_5xx_percent" {
  description = "Share of requests answered 5xx from which it is told, in percent."
  type        = number
  default     = 1

  validation {
    condition     = var.most_5xx_percent > 0 && var.most_5xx_percent < 100
    error_message = "`most_5xx_percent` must be above 0 and below 100."
  }
}

variable "latency_p99_ms" {
  description = "Milliseconds within which 99 of 100 requests must be answered."
  type        = number
  default     = 1000

  validation {
    condition     = var.latency_p99_ms > 0
    error_message = "`latency_p99_ms` must be above 0."
  }
}

variable "databases" {
  description = "Databases whose storage is watched, by a name: output `identifier` of the module `database`."
  type        = map(string)
  default     = {}
}

variable "least_storage_gib" {
  description = "Free storage of a database below which it is told, in GiB."
  type        = number
  default     = 4

  validation {
    condition     = var.least_storage_gib > 0
    error_message = "`least_storage_gib` must be above 0."
  }
}

variable "budget_usd" {
  description = "Cost of the account in a month, in US dollars, from whose 80% it is told; null for no budget."
  type        = number
  default     = null

  validation {
    condition     = var.budget_usd == null ? true : var.budget_usd > 0
    error_message = "`budget_usd` must be above 0, or null."
  }
}

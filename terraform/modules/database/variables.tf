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

variable "log_retention_days" {
  description = "Days after which CloudWatch deletes log lines."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "`log_retention_days` must be a number that CloudWatch knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 or whole years up to ten."
  }
}

variable "vpc_id" {
  description = "Id of the VPC; output `vpc_id` of the module `network`."
  type        = string
}

variable "subnet_ids" {
  description = "Ids of private subnets in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "`subnet_ids` must hold subnets of two zones or more: AWS takes no fewer here. Set `zone_count` of the module `network` to 2."
  }
}

variable "clients" {
  description = "Ids of the security groups that may connect, by a name; nobody else may."
  type        = map(string)
  default     = {}
}

variable "database" {
  description = "Whose database it is, such as `prefect` or `mlflow`: its name and that of its user."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,29}$", var.database)) && !contains(["postgres", "rdsadmin", "admin", "user", "db"], var.database)
    error_message = "`database` must have 2 to 30 lower-case letters and digits, begin with a letter, and be no word that PostgreSQL keeps for itself (postgres, rdsadmin, admin, user, db)."
  }
}

variable "engine_version" {
  description = "PostgreSQL's version; with the major one alone AWS takes the newest minor one."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[4-9](\\.[0-9]+)?$", var.engine_version))
    error_message = "`engine_version` must be PostgreSQL 14 or newer, such as 17 or 17.4: Prefect takes no older one."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.small"

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "`instance_class` must be written as AWS does, such as db.t4g.small."
  }
}

variable "storage_gib" {
  description = "Storage to begin with, in GiB."
  type        = number
  default     = 20

  validation {
    condition     = var.storage_gib >= 20 && var.storage_gib <= 65536
    error_message = "`storage_gib` must be between 20 and 65536: gp3 volumes of PostgreSQL have no other sizes."
  }
}

variable "most_storage_gib" {
  description = "Storage to which it grows by itself, in GiB."
  type        = number
  default     = 200

  validation {
    condition     = var.most_storage_gib >= var.storage_gib * 1.1
    error_message = "`most_storage_gib` must be a tenth larger than `storage_gib` or more: AWS grows by no smaller steps."
  }
}

variable "multi_zone" {
  description = "Whether a second instance in another zone takes over when the first is lost."
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "Days to each second of which the database can be brought back."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "`backup_days` must be between 1 and 35: 0 would switch backups off, and AWS keeps none longer."
  }
}

variable "password_rotation_days" {
  description = "Days after which Secrets Manager changes the password; tasks read it when they start."
  type        = number
  default     = 90

  validation {
    condition     = var.password_rotation_days >= 1 && var.password_rotation_days <= 1000
    error_message = "`password_rotation_days` must be between 1 and 1000."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the database; switch it off and apply before a `terraform destroy`."
  type        = bool
  default     = true
}

variable "final_snapshot" {
  description = "Whether a snapshot is made when the database is destroyed."
  type        = bool
  default     = true
}

variable "slow_query_ms" {
  description = "Milliseconds after which a query is written to the log."
  type        = number
  default     = 1000

  validation {
    condition     = var.slow_query_ms >= 0
    error_message = "`slow_query_ms` must be 0 or more."
  }
}

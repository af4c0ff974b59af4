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

variable "cluster_arn" {
  description = "ARN of the ECS cluster; output `arn` of the module `cluster`."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:ecs:[^:]+:[0-9]{12}:cluster/", var.cluster_arn))
    error_message = "`cluster_arn` must be the ARN of an ECS cluster, such as arn:aws:ecs:eu-west-1:123456789012:cluster/mlops-prod."
  }
}

variable "vpc_id" {
  description = "Id of the VPC; output `vpc_id` of the module `network`."
  type        = string
}

variable "subnet_ids" {
  description = "Ids of the private subnets in which tasks run."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "`subnet_ids` is empty: tasks run in one private subnet or more. Take `private_subnet_ids` of the module `network`."
  }
}

variable "cpu" {
  description = "CPU units of a task; 1024 are one core."
  type        = number
  default     = 512

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "`cpu` must be 256, 512, 1024, 2048, 4096, 8192 or 16384: Fargate has no other sizes."
  }
}

variable "memory" {
  description = "Memory of a task in MiB."
  type        = number
  default     = 1024

  validation {
    condition = contains(
      {
        "256"   = [512, 1024, 2048]
        "512"   = [for gib in range(1, 5) : gib * 1024]
        "1024"  = [for gib in range(2, 9) : gib * 1024]
        "2048"  = [for gib in range(4, 17) : gib * 1024]
        "4096"  = [for gib in range(8, 31) : gib * 1024]
        "8192"  = [for gib in range(16, 61, 4) : gib * 1024]
        "16384" = [for gib in range(32, 121, 8) : gib * 1024]
      }[tostring(var.cpu)],
      var.memory
    )
    error_message = "`memory` must be one that Fargate has for this `cpu`: 512 to 2048 MiB with 256, 1 to 4 GiB with 512, 2 to 8 with 1024, 4 to 16 with 2048, 8 to 30 with 4096."
  }
}

variable "image" {
  description = "The image, with a tag or digest that stays what it is."
  type        = string

  validation {
    condition     = can(regex("(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "`image` must end with a tag or a digest, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops-prod/worker:1.4.0, and not with `latest`: what runs must be known."
  }
}

variable "repository_arns" {
  description = "ARNs of the ECR repositories whose images are pulled; empty where images are public."
  type        = list(string)
  default     = []
}

variable "balancer" {
  description = "The load balancer before it: outputs `listener_arn` and `security_group_id` of the module `balancer`."
  type = object({
    listener_arn      = string
    security_group_id = string
  })
}

variable "hosts" {
  description = "Names under which it is called, such as `prefect.mlops.example.org`; one to five."
  type        = list(string)

  validation {
    condition     = length(var.hosts) >= 1 && length(var.hosts) <= 5 && alltrue([for host in var.hosts : can(regex("^[a-z0-9.*-]+$", host))])
    error_message = "`hosts` must hold one to five host names in lower case: a rule of a load balancer takes no more than five values."
  }
}

variable "priority" {
  description = "Place of its rule among those of the listener; no two rules may have the same."
  type        = number

  validation {
    condition     = var.priority >= 1 && var.priority <= 50000
    error_message = "`priority` must be between 1 and 50000."
  }
}

variable "database" {
  description = "The database; output `connection` of the module `database`."
  type = object({
    host              = string
    port              = number
    name              = string
    user              = string
    security_group_id = string
    secret_arn        = string
  })
}

variable "url" {
  description = "Address under which browsers and workers find the server, without `/api`, such as `https://prefect.mlops.example.org`."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/]+$", var.url))
    error_message = "`url` must be an address without a path, such as https://prefect.mlops.example.org."
  }
}

variable "auth" {
  description = "The secret `user:password` that clients must show as PREFECT_API_AUTH_STRING; null for none."
  type        = object({ secret_arn = string })
  default     = null

  validation {
    condition     = var.auth == null ? true : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", var.auth.secret_arn))
    error_message = "`auth` must hold the ARN of a secret in Secrets Manager as `secret_arn`; make it with the module `credentials`."
  }
}

variable "messaging" {
  description = "The Redis by which several servers work together; output `connection` of the module `messaging`. Null for one server."
  type = object({
    host              = string
    port              = number
    security_group_id = string
  })
  default = null
}

variable "servers" {
  description = "Tasks that answer the API; more than one needs `messaging`."
  type        = number
  default     = 1

  validation {
    condition     = var.servers >= 1 && (var.servers == 1 || var.messaging != null)
    error_message = "`servers` must be 1 without `messaging`: servers that do not hear each other lose events. Add the module `messaging`."
  }
}

variable "settings" {
  description = "Further Prefect settings of the server that are no secrets, such as PREFECT_SERVER_EVENTS_RETENTION_PERIOD."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.settings) : startswith(key, "PREFECT_")])
    error_message = "`settings` may hold names that begin with PREFECT_ alone."
  }
}

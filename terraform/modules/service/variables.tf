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

variable "service" {
  description = "What the service is, such as `worker`; it is called `<name>-<service>`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,28}[a-z0-9]$", var.service))
    error_message = "`service` must have 2 to 30 lower-case letters, digits and hyphens."
  }
}

variable "command" {
  description = "What the container runs, word by word."
  type        = list(string)
}

variable "environment" {
  description = "Variables of the container that are no secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.environment) : !can(regex("PASSWORD|SECRET|TOKEN|AUTH_STRING", key))])
    error_message = "`environment` has a variable whose name says that it is a secret: put it into Secrets Manager and name it in `secrets`."
  }
}

variable "secrets" {
  description = "Variables of the container that are secrets, each with the ARN of the secret, or `<arn>:<key>::` of one value in it."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.secrets) : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", arn))])
    error_message = "`secrets` has a value that is no ARN of a secret in Secrets Manager. Make the secret with the module `credentials`, and give its ARN and not its content."
  }
}

variable "statements" {
  description = "What the tasks may do; see the module `role`."
  type = list(object({
    sid        = string
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(list(string))), {})
  }))
  default = []
}

variable "tasks" {
  description = "Tasks that run at all times."
  type        = number
  default     = 1

  validation {
    condition     = var.tasks >= 0 && floor(var.tasks) == var.tasks
    error_message = "`tasks` must be a whole number, 0 or more."
  }
}

variable "port" {
  description = "Where the container listens; null where it does not."
  type        = number
  default     = null

  validation {
    condition     = var.port == null ? true : var.port >= 1 && var.port <= 65535
    error_message = "`port` must be between 1 and 65535."
  }
}

variable "balancer" {
  description = "The load balancer before the service: its security group, and the target group in which tasks are registered."
  type = object({
    security_group_id = string
    target_group_arn  = string
  })
  default = null

  validation {
    condition     = var.balancer == null || var.port != null
    error_message = "`balancer` needs `port`: a load balancer sends requests to a port of the tasks."
  }
}

variable "destinations" {
  description = "What tasks may reach besides HTTPS, by a name: a security group, in which its port is opened for them too."
  type = map(object({
    port              = number
    security_group_id = string
  }))
  default = {}
}

variable "health_command" {
  description = "Command by which ECS asks the container whether it is well; null for never."
  type        = list(string)
  default     = null
}

variable "architecture" {
  description = "Processor that the image was built for: `X86_64`, or `ARM64`, which is a fifth cheaper."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "`architecture` must be \"X86_64\" or \"ARM64\"."
  }
}

variable "shell" {
  description = "Whether `aws ecs execute-command` may open a shell in a task."
  type        = bool
  default     = false
}

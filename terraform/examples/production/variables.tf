variable "name" {
  description = "Name of the environment, 2 to 20 lower-case letters, digits and hyphens."
  type        = string
  default     = "mlops"
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-1"
}

variable "work_pool" {
  description = "Name of the Prefect work pool."
  type        = string
  default     = "ecs"
}

variable "image_tag" {
  description = "Tag of the images, which must be in the repositories before tasks can start."
  type        = string
  default     = "0.1.0"
}

variable "delete_data_on_destroy" {
  description = "Whether `terraform destroy` also deletes data and images; by default it refuses."
  type        = bool
  default     = false
}

variable "domain" {
  description = "Domain of the load balancers, known inside of the VPC alone."
  type        = string
  default     = "mlops.internal"
}

variable "certificate_arn" {
  description = "ARN of an ACM certificate for `*.<domain>` and `*.serving.<domain>`; null for plain HTTP, which `plain_http` must allow."
  type        = string
  default     = null
}

variable "plain_http" {
  description = "Whether requests inside of the VPC may be unencrypted; for trials only."
  type        = bool
  default     = false
}

variable "client_cidrs" {
  description = "Blocks of addresses from which people and services reach Prefect, MLflow and the models, such as those of a VPN."
  type        = set(string)
  default     = []
}

variable "models" {
  description = "Models that are served, by name; see the module `serving`."
  type = map(object({
    priority            = number
    most_tasks          = optional(number)
    requests_per_minute = optional(number, 1000)
  }))
  default = {}
}

variable "landing" {
  description = "Where batches land in the bucket of data."
  type        = string
  default     = "landing/"
}

variable "emails" {
  description = "Addresses that alarms are sent to."
  type        = set(string)
  default     = []
}

variable "budget_usd" {
  description = "Cost of the account in a month from whose 80% it is told; null for no budget."
  type        = number
  default     = null
}

variable "protect" {
  description = "Whether AWS refuses to delete databases and load balancers."
  type        = bool
  default     = true
}

variable "github_repository" {
  description = "The GitHub repository, `owner/name`, whose workflows plan and build; null for none."
  type        = string
  default     = null
}

variable "most_runs" {
  description = "Flow runs that may run at once; null for any number."
  type        = number
  default     = 20
}

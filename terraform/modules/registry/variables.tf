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

variable "repositories" {
  description = "Images that are kept, each in a repository `<name>/<image>`."
  type        = set(string)
  default     = ["worker", "server", "serving"]

  validation {
    condition     = length(var.repositories) > 0 && alltrue([for each in var.repositories : can(regex("^[a-z0-9]+([._-][a-z0-9]+)*$", each))])
    error_message = "`repositories` must name one image or more, in lower-case letters and digits, parted by single dots, hyphens or underscores."
  }
}

variable "kept_images" {
  description = "Tagged images kept in each repository; older ones are deleted."
  type        = number
  default     = 50

  validation {
    condition     = var.kept_images >= 2 && floor(var.kept_images) == var.kept_images
    error_message = "`kept_images` must be a whole number, 2 or more: a rollback needs the image before the newest."
  }
}

variable "untagged_days" {
  description = "Days after which images without a tag are deleted."
  type        = number
  default     = 14

  validation {
    condition     = var.untagged_days >= 1 && floor(var.untagged_days) == var.untagged_days
    error_message = "`untagged_days` must be a whole number of days, 1 or more."
  }
}

variable "delete_images_on_destroy" {
  description = "Whether `terraform destroy` also deletes the images; by default it refuses repositories that hold any."
  type        = bool
  default     = false
}

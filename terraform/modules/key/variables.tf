variable "name" {
  description = "Name of the environment, such as `mlops-prod`; the key's alias is `alias/<name>`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "`name` must have 2 to 20 characters: lower-case letters, digits and hyphens, beginning with a letter. Shorten it, or write it in lower case."
  }
}

variable "deletion_window_days" {
  description = "Days in which a destroyed key can be brought back, 7 to 30."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "`deletion_window_days` must be between 7 and 30: AWS deletes no key sooner or later."
  }
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}

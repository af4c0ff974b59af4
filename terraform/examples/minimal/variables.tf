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

variable "prefect_api_url" {
  description = "Address of a Prefect API that is there already, such as that of a workspace in Prefect Cloud."
  type        = string
}

variable "prefect_api_key_secret_arn" {
  description = "ARN of a secret with an API key of Prefect Cloud; null where the server asks for none."
  type        = string
  default     = null
}

variable "mlflow_tracking_uri" {
  description = "Address of an MLflow server that is there already."
  type        = string
}

variable "most_runs" {
  description = "Flow runs that may run at once; null for any number."
  type        = number
  default     = 20
}

variable "prefect_ui_url" {
  description = "Where people open Prefect; `prefect_api_url` without its path when null."
  type        = string
  default     = null
}

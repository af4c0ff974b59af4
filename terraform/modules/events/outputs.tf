output "queue_urls" {
  description = "URL of each landing's queue, for the block `LandingQueue`."
  value       = { for key, queue in module.queue : key => queue.url }
}

output "queue_names" {
  description = "Name of each landing's queue."
  value       = { for key, queue in module.queue : key => queue.name }
}

output "dead_queue_names" {
  description = "Name of each landing's dead-letter queue."
  value       = { for key, queue in module.queue : key => queue.dead_name }
}

output "reader_statements" {
  description = "What a flow that reads the queues may do, for `flow.statements` of the module `worker`."
  value = [
    {
      sid        = "ReadLandings"
      actions    = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      resources  = [for queue in module.queue : queue.arn]
      conditions = {}
    },
    {
      sid        = "DecryptLandings"
      actions    = ["kms:Decrypt"]
      resources  = [var.kms_key_arn]
      conditions = { StringEquals = { "kms:ViaService" = ["sqs.${data.aws_region.current.id}.amazonaws.com"] } }
    },
  ]
}

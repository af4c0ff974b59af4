output "topic_arn" {
  description = "ARN of the topic to which alarms are sent."
  value       = aws_sns_topic.this.arn
}

output "alarm_names" {
  description = "Names of all alarms."
  value = sort([
    for alarm in concat(
      values(aws_cloudwatch_metric_alarm.dead), values(aws_cloudwatch_metric_alarm.down),
      values(aws_cloudwatch_metric_alarm.errors), values(aws_cloudwatch_metric_alarm.slow),
      values(aws_cloudwatch_metric_alarm.storage), values(aws_cloudwatch_metric_alarm.waiting),
    ) : alarm.alarm_name
  ])
}
